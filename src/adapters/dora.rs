//! DoRA's norms (Liu et al. 2024, <https://arxiv.org/abs/2402.09353>): computed once when an adapter
//! is loaded, from the base's weights streamed in rows, so that no second copy of them is held.
//!
//! As in PEFT (`peft/tuners/lora/dora.py`): a linear's output `i` is scaled by
//! `m[i] / ‖(W + s·B·A)[i, :]‖`; of the embedding, feature `h` by `m[h] / ‖(W + s·(BA)ᵀ)[:, h]‖`.

use super::Result;
use formats::TensorView;
use kernels::{PackedMatrix, Product, matmul};
use rayon::prelude::*;

/// Rows of the base that are widened to f32 at a time.
const ROWS: usize = 256;

/// What LoRA adds to a base weight `[n, k]`: `s · x · yᵀ`, `x` `[n, r]` and `y` `[k, r]`.
pub(super) struct Added<'a> {
    pub(super) x: &'a [f32],
    pub(super) y: &'a [f32],
    pub(super) rank: usize,
    pub(super) scale: f32,
}

/// Euclidean norm of each row of `W + s·x·yᵀ`, `[n]`.
pub(super) fn row_norms(weight: &TensorView, added: &Added) -> Result<Vec<f32>> {
    let mut norms = Vec::with_capacity(added.x.len() / added.rank);
    each_chunk(weight, added, |rows, k| {
        norms.par_extend(rows.par_chunks_exact(k).map(|row| sum_of_squares(row).sqrt() as f32));
    })?;
    Ok(norms)
}

/// Euclidean norm of each column of `W + s·x·yᵀ`, `[k]`.
pub(super) fn column_norms(weight: &TensorView, added: &Added) -> Result<Vec<f32>> {
    let mut squares = vec![0.0_f64; added.y.len() / added.rank];
    each_chunk(weight, added, |rows, k| {
        for row in rows.chunks_exact(k) {
            for (sum, value) in squares.iter_mut().zip(row) {
                *sum += f64::from(*value) * f64::from(*value);
            }
        }
    })?;
    Ok(squares.into_iter().map(|sum| sum.sqrt() as f32).collect())
}

/// Hands `use_rows` the rows of `W + s·x·yᵀ`, a chunk at a time.
fn each_chunk(
    weight: &TensorView,
    added: &Added,
    mut use_rows: impl FnMut(&[f32], usize),
) -> Result<()> {
    let (rank, k) = (added.rank, added.y.len() / added.rank);
    let y = PackedMatrix::pack_f32(added.y, k, rank);
    let size = k * weight.dtype.bits() / 8;
    let (mut rows, mut low_rank) = (vec![0.0; ROWS * k], vec![0.0; ROWS * k]);
    for (x, bytes) in added.x.chunks(ROWS * rank).zip(weight.bytes.chunks(ROWS * size)) {
        let count = x.len() / rank;
        let (rows, low_rank) = (&mut rows[..count * k], &mut low_rank[..count * k]);
        TensorView { shape: &[count, k], bytes, ..*weight }.read_f32(rows)?;
        matmul(x, count, &mut [Product { weight: &y, bias: None, y: low_rank }]);
        let scale = added.scale;
        rows.iter_mut().zip(low_rank.iter()).for_each(|(w, delta)| *w += scale * delta);
        use_rows(rows, k);
    }
    Ok(())
}

/// In f64 from partial sums in f32 over 64 terms each.
fn sum_of_squares(row: &[f32]) -> f64 {
    row.chunks(64).map(|part| f64::from(part.iter().map(|v| v * v).sum::<f32>())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::Dtype;
    use std::path::Path;

    /// `W + s·x·yᵀ` by the definition, in f64.
    fn explicit(w: &[f32], added: &Added, n: usize, k: usize) -> Vec<f64> {
        let r = added.rank;
        let dot = |i: usize, j: usize| -> f64 {
            (0..r).map(|t| f64::from(added.x[i * r + t]) * f64::from(added.y[j * r + t])).sum()
        };
        let value = |at: usize| f64::from(w[at]) + f64::from(added.scale) * dot(at / k, at % k);
        (0..n * k).map(value).collect()
    }

    #[test]
    fn norms_equal_the_definition_over_several_chunks() {
        let (n, k, rank) = (2 * ROWS + 7, 21, 3);
        let wave = |len: usize, step: f32| -> Vec<f32> {
            (0..len).map(|i| (i as f32 * step).sin()).collect()
        };
        let (w, x, y) = (wave(n * k, 0.37), wave(n * rank, 0.11), wave(k * rank, 0.73));
        let added = Added { x: &x, y: &y, rank, scale: 1.5 };
        let bytes: Vec<u8> = w.iter().flat_map(|v| v.to_le_bytes()).collect();
        let (shape, path) = ([n, k], Path::new(""));
        let weight =
            TensorView { name: "w", dtype: Dtype::F32, shape: &shape, bytes: &bytes, path };
        let sum = explicit(&w, &added, n, k);
        let close = |found: f32, squares: f64| (f64::from(found) - squares.sqrt()).abs() < 2e-5;

        let rows = row_norms(&weight, &added).unwrap();
        assert_eq!(rows.len(), n);
        for (row, norm) in sum.chunks(k).zip(rows) {
            assert!(close(norm, row.iter().map(|v| v * v).sum()), "{norm}");
        }
        let columns = column_norms(&weight, &added).unwrap();
        assert_eq!(columns.len(), k);
        for (j, norm) in columns.into_iter().enumerate() {
            let squares = sum.iter().skip(j).step_by(k).map(|v| v * v).sum();
            assert!(close(norm, squares), "{norm}");
        }
    }
}
