//! Matrices cut into blocks of rows: what one thread holds as f32 at a time. The cut depends on the
//! shape alone, so that sums over blocks come out the same on any number of threads.

use crate::{Result, TensorInfo};
use rayon::prelude::*;
use std::ops::Range;

/// Values in a block, about: a megabyte of f32.
const VALUES: usize = 1 << 18;

/// The rows of a tensor, a block at a time.
pub(crate) fn row_blocks(tensor: &TensorInfo) -> impl Iterator<Item = Range<usize>> + use<> {
    let (rows, step) = (tensor.rows(), (VALUES / tensor.columns().max(1)).max(1));
    (0..rows).step_by(step).map(move |first| first..rows.min(first + step))
}

/// What `body` makes of every block, in order; threads share the work.
///
/// # Errors
/// One of those of `body`.
pub(crate) fn map_blocks<T: Send>(
    tensor: &TensorInfo,
    body: impl Fn(Range<usize>) -> Result<T> + Send + Sync,
) -> Result<Vec<T>> {
    row_blocks(tensor).collect::<Vec<_>>().into_par_iter().map(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::Dtype;

    #[test]
    fn blocks_cover_every_row_once() {
        for shape in [vec![7, 100_000], vec![513, 1024], vec![3], vec![1, 1 << 20], vec![0, 4]] {
            let tensor = TensorInfo { name: "t".into(), shape, dtype: Dtype::F32 };
            let rows: Vec<usize> = row_blocks(&tensor).flatten().collect();
            assert_eq!(rows, (0..tensor.rows()).collect::<Vec<_>>());
            assert!(
                row_blocks(&tensor)
                    .all(|rows| rows.len() * tensor.columns() <= VALUES.max(1 << 20))
            );
        }
    }
}
