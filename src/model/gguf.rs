//! Tensors of a GGUF file as this program knows them: by Hugging Face's names, de-quantized, and for
//! Llama with the rows of q and k in Hugging Face's order.

use formats::gguf::{GgufFile, GgufTensor, tensor_name};
use formats::{Architecture, Dtype, Error, ModelConfig, Result, TensorView};
use kernels::blocks::{BlockType, dequantize_rows};
use rayon::prelude::*;
use std::borrow::Cow;
use std::path::Path;

/// Rows that are de-quantized at a time, where their order is the file's.
const ROWS: usize = 64;

/// A tensor as it lies in a mapped file, or as it was de-quantized.
pub struct Stored<'a> {
    name: Cow<'a, str>,
    shape: Cow<'a, [usize]>,
    dtype: Dtype,
    bytes: Cow<'a, [u8]>,
    path: &'a Path,
}

impl<'a> Stored<'a> {
    /// A tensor of a safetensors file.
    pub fn of(view: TensorView<'a>) -> Self {
        let (name, shape) = (Cow::Borrowed(view.name), Cow::Borrowed(view.shape));
        let bytes = Cow::Borrowed(view.bytes);
        Self { name, shape, dtype: view.dtype, bytes, path: view.path }
    }

    /// The tensor as every other one is seen.
    pub fn view(&self) -> TensorView<'_> {
        TensorView {
            name: &self.name,
            dtype: self.dtype,
            shape: &self.shape,
            bytes: &self.bytes,
            path: self.path,
        }
    }
}

/// The tensor that Hugging Face calls `name`: as it lies in the file where it is plain numbers in the
/// right order, else as f32.
pub(super) fn tensor<'a>(
    file: &'a GgufFile,
    config: &ModelConfig,
    name: &str,
    shape: &[usize],
) -> Result<Stored<'a>> {
    let (tensor, kind) = find(file, name, shape)?;
    let plain = match kind {
        BlockType::F32 => Some(Dtype::F32),
        BlockType::F16 => Some(Dtype::F16),
        BlockType::BF16 => Some(Dtype::BF16),
        _ => None,
    };
    let (dtype, bytes) = match plain.filter(|_| head(config, name).is_none()) {
        Some(dtype) => (dtype, Cow::Borrowed(file.tensor_bytes(tensor))),
        None => {
            let bytes = |values: &[f32], out: &mut [[u8; 4]]| {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = value.to_le_bytes();
                }
            };
            let values: Vec<[u8; 4]> = values(file, config, (name, shape), bytes)?;
            (Dtype::F32, Cow::Owned(values.into_flattened()))
        }
    };
    let (name, shape) = (Cow::Owned(name.to_owned()), Cow::Borrowed(&*tensor.shape));
    Ok(Stored { name, shape, dtype, bytes, path: file.path() })
}

/// All values of a tensor, converted chunk by chunk on all threads.
pub(super) fn values<T: Clone + Default + Send>(
    file: &GgufFile,
    config: &ModelConfig,
    (name, shape): (&str, &[usize]),
    convert: impl Fn(&[f32], &mut [T]) + Sync,
) -> Result<Vec<T>> {
    let (tensor, kind) = find(file, name, shape)?;
    let columns = shape.last().copied().unwrap_or(1);
    // One number a row has no heads to reorder by columns: a bias is a matrix of one column.
    let head = head(config, name);
    let (columns, row_bytes) = match shape {
        [_] if head.is_some() => (1, kind.row_bytes(1)),
        _ => (columns, kind.row_bytes(columns)),
    };
    let rows = head.unwrap_or(ROWS);
    let mut out = vec![T::default(); shape.iter().product()];
    let chunks = file.tensor_bytes(tensor).par_chunks(rows * row_bytes);
    out.par_chunks_mut(rows * columns).zip(chunks).for_each(|(out, bytes)| {
        let mut values = vec![0.0; out.len()];
        dequantize_rows(kind, bytes, &mut values);
        if head.is_some() {
            values = apart(&values, columns);
        }
        convert(&values, out);
    });
    Ok(out)
}

/// The rows of one head of Llama's q or k, from llama.cpp's order, in which the two rows that rotate
/// together are neighbours, to Hugging Face's, in which they lie half a head apart.
fn apart(rows: &[f32], columns: usize) -> Vec<f32> {
    let half = rows.len() / columns / 2;
    let mut out = vec![0.0; rows.len()];
    for (at, row) in rows.chunks_exact(columns).enumerate() {
        let to = (at % 2) * half + at / 2;
        out[to * columns..(to + 1) * columns].copy_from_slice(row);
    }
    out
}

/// The rows of a head, for the tensors whose heads llama.cpp reorders.
fn head(config: &ModelConfig, name: &str) -> Option<usize> {
    let rotated = name.contains(".self_attn.q_proj.") || name.contains(".self_attn.k_proj.");
    (config.architecture == Architecture::Llama && rotated).then_some(config.head_dim)
}

fn find<'a>(
    file: &'a GgufFile,
    name: &str,
    shape: &[usize],
) -> Result<(&'a GgufTensor, BlockType)> {
    let tensor = file.require(tensor_name(name).as_deref().unwrap_or(name), shape)?;
    match BlockType::from_id(tensor.kind.id) {
        // A head's bias would have to be split inside a block; no converter writes such a file.
        Some(kind) if shape.len() > 1 || kind.block_len() == 1 => Ok((tensor, kind)),
        _ => Err(Error::Unsupported {
            path: file.path().to_owned(),
            feature: format!("tensor `{}` of type {}", tensor.name, tensor.kind),
            advice:
                "quantize the model to one of F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and \
                     Q2_K to Q6_K"
                    .to_owned(),
        }),
    }
}
