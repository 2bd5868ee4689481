//! The seam between where weights come from and what is written of them.

use crate::Result;
use formats::Dtype;
use std::ops::Range;

/// A tensor's name, shape and the type in which it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// The full name in Hugging Face checkpoints, e.g. `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// The type to write it as where nothing else is asked for.
    pub dtype: Dtype,
}

impl TensorInfo {
    /// Values in a row: the last extent. A vector is one row.
    pub fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Rows of [`columns`](Self::columns) values each.
    pub fn rows(&self) -> usize {
        self.shape.iter().rev().skip(1).product()
    }

    /// Values in all.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The tensors of a model, whatever they are stored as and whatever was merged onto them.
pub trait Weights: Sync {
    /// Every tensor, in the order in which the model's files hold them.
    fn tensors(&self) -> &[TensorInfo];

    /// Writes `rows` of a tensor of [`tensors`](Self::tensors) to `out`, `[rows.len(), columns]`.
    /// May be called from many threads; holds memory for these rows alone.
    ///
    /// # Errors
    /// Values that cannot be read, or a tensor that is none of these.
    ///
    /// # Panics
    /// If `rows` lie outside the tensor.
    fn read_rows(&self, tensor: &TensorInfo, rows: Range<usize>, out: &mut [f32]) -> Result<()>;

    /// Says that a tensor was read and is not needed soon: pages of a mapped file that hold it stop
    /// counting as this process's memory. It can be read again.
    fn release(&self, tensor: &TensorInfo);
}
