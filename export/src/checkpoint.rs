//! Any source of weights to safetensors: read by rows as f32, rounded once, written where they belong.
//! The files around the weights are `folder`'s business.

use crate::blocks::map_blocks;
use crate::{Error, Result, TensorInfo, Weights};
use formats::{CheckpointWriter, Dtype, TensorPlan, round_to};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The type of all tensors; without one each keeps its own.
    pub dtype: Option<Dtype>,
    /// Bytes of a file at most; a larger tensor has a file of its own.
    pub max_shard_bytes: u64,
}

/// Some rows of a tensor on their way.
pub struct Rows<'a> {
    /// The tensor.
    pub tensor: &'a TensorInfo,
    /// Which rows.
    pub rows: Range<usize>,
    /// Their values.
    pub values: &'a [f32],
    /// The type they are stored as.
    pub dtype: Dtype,
    /// Their bytes as stored.
    pub bytes: &'a [u8],
}

/// The files that were written, and of each tensor what was found in its rows, in order.
pub struct Written<T> {
    /// The files of weights.
    pub paths: Vec<PathBuf>,
    /// In the order of the weights' tensors.
    pub tensors: Vec<(TensorInfo, Vec<T>)>,
}

/// Writes `weights` to files in the folder `dir`, all cores at work on each tensor; `see` is shown
/// every block of rows once, from any thread. The bytes do not depend on the number of threads.
///
/// # Errors
/// A value that is not finite or that the type cannot hold; whatever goes wrong while reading,
/// writing or in `see`.
pub fn write_checkpoint<T: Send>(
    weights: &dyn Weights,
    dir: &Path,
    storage: Storage,
    see: impl Fn(&Rows) -> Result<T> + Send + Sync,
) -> Result<Written<T>> {
    let plan: Vec<TensorPlan> = weights
        .tensors()
        .iter()
        .map(|tensor| TensorPlan {
            name: tensor.name.clone(),
            dtype: storage.dtype.unwrap_or(tensor.dtype),
            shape: tensor.shape.clone(),
        })
        .collect();
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let writer = CheckpointWriter::create(dir, &plan, storage.max_shard_bytes, &metadata)?;
    let mut tensors = Vec::with_capacity(plan.len());
    for (tensor, TensorPlan { dtype, .. }) in weights.tensors().iter().zip(&plan) {
        let found = map_blocks(tensor, |rows| {
            let mut values = vec![0.0; rows.len() * tensor.columns()];
            weights.read_rows(tensor, rows.clone(), &mut values)?;
            let bytes = rounded(tensor, *dtype, &rows, &values, dir)?;
            let row_bytes = bytes.len() / rows.len().max(1);
            writer.write(&tensor.name, (rows.start * row_bytes) as u64, &bytes)?;
            let bytes = bytes.as_slice();
            see(&Rows { tensor, rows, values: &values, dtype: *dtype, bytes })
        })?;
        weights.release(tensor);
        tensors.push((tensor.clone(), found));
    }
    Ok(Written { paths: writer.paths().map(Path::to_owned).collect(), tensors })
}

fn rounded(
    tensor: &TensorInfo,
    dtype: Dtype,
    rows: &Range<usize>,
    values: &[f32],
    dir: &Path,
) -> Result<Vec<u8>> {
    // Beyond this, the nearest of the type's values is infinite.
    let most = match dtype {
        Dtype::F16 => 65_519.996,
        Dtype::BF16 => 3.396_177_4e38,
        _ => f32::MAX,
    };
    let name = &tensor.name;
    if let Some(at) = values.iter().position(|value| value.is_nan() || value.abs() > most) {
        let (value, index) = (values[at], rows.start * tensor.columns() + at);
        let advice = if value.is_finite() {
            format!("which {dtype} cannot hold; write bf16 or f32")
        } else {
            "so the base or an adapter is broken".to_owned()
        };
        let problem = format!("tensor `{name}` would hold {value} at index {index}, {advice}");
        return Err(Error::refused(dir, problem));
    }
    round_to(dtype, values).ok_or_else(|| {
        Error::refused(
            dir,
            format!("tensor `{name}` cannot be written as {dtype}, a type of weights"),
        )
    })
}
