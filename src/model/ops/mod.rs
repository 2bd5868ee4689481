//! The kernels as candle operations: each with its backward pass, each checked by finite
//! differences.
//!
//! candle's own fused norm, softmax, rotary and quantised matmul drop gradients silently, so
//! nothing a gradient passes through is left to them. All operands are contiguous f32 on the
//! CPU; anything else is an error, never a silent copy.

mod attention;
mod linear;
mod log_probs;
mod lora;
mod norm;
mod rope;
mod swiglu;
#[cfg(test)]
mod tests;

pub(super) use attention::{FreshAttention, paged_attention};
pub(super) use linear::{FrozenLinear, TrainedLinear};
pub(super) use log_probs::{FrozenLogProbs, LogProbStats, TrainedLogProbs};
pub use lora::Dropout;
pub(super) use lora::LoraLinear;
pub(super) use norm::RmsNorm;
pub(super) use rope::Rope;
pub(super) use swiglu::SwiGlu;

use candle_core::{CpuStorage, DType, Layout, Result, Shape, Tensor, bail};

/// The floats of a contiguous CPU operand.
fn operand<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(data) = storage else {
        bail!("expected an f32 operand, found {:?}", storage.as_slice_dtype());
    };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&data[start..end]),
        None => bail!("expected a contiguous operand, found strides {:?}", layout.stride()),
    }
}

/// The data type of a storage, for error messages.
trait SliceDtype {
    fn as_slice_dtype(&self) -> DType;
}

impl SliceDtype for CpuStorage {
    fn as_slice_dtype(&self) -> DType {
        candle_core::backend::BackendStorage::dtype(self)
    }
}

/// Wraps what a forward pass computed.
fn output(data: Vec<f32>, shape: impl Into<Shape>) -> (CpuStorage, Shape) {
    (CpuStorage::F32(data), shape.into())
}

/// Calls `f` with the floats of a contiguous f32 tensor on the CPU, without a copy.
///
/// # Errors
/// When the tensor is not contiguous f32 on the CPU.
pub fn slice_of<T>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(cpu) => Ok(f(operand(cpu, layout)?)),
        candle_core::Storage::Cuda(_) | candle_core::Storage::Metal(_) => {
            bail!("expected a tensor on the CPU")
        }
    }
}

/// A copy of a tensor's floats, made contiguous first where it is not. Used for upstream
/// gradients, which candle may hand over transposed or broadcast.
fn floats_of(tensor: &Tensor) -> Result<Vec<f32>> {
    slice_of(&tensor.contiguous()?, <[f32]>::to_vec)
}
