//! A GGUF adapter read back: what llama.cpp makes of each pair, under the module's place in the model.
//! Writing is `adapter`'s business.

use std::path::Path;

use formats::gguf::{GgufFile, GgufTensor, TensorType};
use formats::gguf_model::hf_name;
use formats::peft::Place;
use formats::{Architecture, ModelConfig, Site};
use kernels::blocks::{BlockType, dequantize_rows};

use crate::gguf_weights::interleaved;
use crate::{Error, Result};

/// `scale · B · A` of one module, `[rows, columns]` in Hugging Face's order.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterPair {
    /// The module.
    pub place: Place,
    /// `[rank, columns]`; of the embedding its transpose, `[rows, rank]`.
    pub a: Vec<f32>,
    /// `[rows, rank]`; of the embedding `[columns, rank]`.
    pub b: Vec<f32>,
    /// Rows of A.
    pub rank: usize,
    /// llama.cpp's: alpha over the rank; 1 without an alpha.
    pub scale: f32,
    /// The coarser type of both.
    pub kind: TensorType,
}

/// Reads the GGUF adapter at `path`, made for a base of configuration `base`.
///
/// # Errors
/// A file that is no LoRA adapter for such a base, or that holds a tensor which llama.cpp would refuse.
pub fn read_gguf_adapter(path: &Path, base: &ModelConfig) -> Result<Vec<AdapterPair>> {
    let file = GgufFile::open(path)?;
    let alpha = alpha(&file, base)?;
    let mut pairs = Vec::new();
    for place in Place::all(base) {
        pairs.extend(Reader { file: &file, base, alpha, place }.pair()?);
    }
    let known = |tensor: &&GgufTensor| !is_half_of(base, &tensor.name);
    if let Some(tensor) = file.tensors().iter().find(known) {
        let problem = format!("holds the tensor `{}`, which is no part of a LoRA", tensor.name);
        return Err(Error::refused(path, problem));
    }
    Ok(pairs)
}

/// Checks what kind of file it is.
fn alpha(file: &GgufFile, base: &ModelConfig) -> Result<f32> {
    let model = base.architecture.model_type();
    for (key, expected) in
        [("general.type", "adapter"), ("adapter.type", "lora"), ("general.architecture", model)]
    {
        let found = file.metadata().str(key);
        if found != Some(expected) {
            let found = found.unwrap_or("nothing");
            let problem = format!("`{key}` is {found}, expected {expected}");
            return Err(Error::refused(file.path(), problem));
        }
    }
    let alpha = file.metadata().float("adapter.lora.alpha").unwrap_or(0.0);
    Ok(alpha as f32)
}

fn is_half_of(base: &ModelConfig, name: &str) -> bool {
    let half = name.strip_suffix(".lora_a").or_else(|| name.strip_suffix(".lora_b"));
    let module = half.and_then(hf_name);
    let module = module.as_deref().and_then(|name| name.strip_suffix(".weight"));
    module.is_some_and(|module| Place::all(base).any(|place| place.path() == module))
}

/// Reads one module's pair.
struct Reader<'a> {
    file: &'a GgufFile,
    base: &'a ModelConfig,
    alpha: f32,
    place: Place,
}

impl Reader<'_> {
    fn pair(&self) -> Result<Option<AdapterPair>> {
        let (a, b) = (self.half("lora_a")?, self.half("lora_b")?);
        let (Some(a), Some(b)) = (a, b) else {
            return match a.or(b) {
                None => Ok(None),
                Some(half) => {
                    let problem = format!("holds `{}` without its other half", half.name);
                    Err(Error::refused(self.file.path(), problem))
                }
            };
        };
        let (rows, columns) = self.place.shape(self.base);
        let rank = b.shape.last().copied().unwrap_or(0);
        if rank == 0 {
            let problem = format!("`{}` has no rank", b.name);
            return Err(Error::refused(self.file.path(), problem));
        }
        let (a_shape, b_shape) = match self.place {
            Place::Embed => ([rows, rank], [columns, rank]),
            _ => ([rank, columns], [rows, rank]),
        };
        self.file.require(&a.name, &a_shape)?;
        self.file.require(&b.name, &b_shape)?;
        let bits = |tensor: &&GgufTensor| tensor.kind.block_bytes * 8 / tensor.kind.block_len;
        let coarser = if bits(&a) < bits(&b) { a } else { b };
        let scale = if self.alpha == 0.0 { 1.0 } else { self.alpha / rank as f32 };
        let (kind, a) = (coarser.kind, self.values(a)?);
        let b = self.in_order(self.values(b)?, rank);
        Ok(Some(AdapterPair { place: self.place, a, b, rank, scale, kind }))
    }

    fn half(&self, half: &str) -> Result<Option<&GgufTensor>> {
        let weight = format!("{}.weight", self.place.path());
        let name = formats::gguf_model::gguf_name(&weight).unwrap_or(weight);
        Ok(self.file.tensor(&format!("{name}.{half}")))
    }

    fn values(&self, tensor: &GgufTensor) -> Result<Vec<f32>> {
        let Some(kind) = BlockType::from_id(tensor.kind.id) else {
            let problem = format!("`{}` is stored as {}", tensor.name, tensor.kind);
            return Err(Error::refused(self.file.path(), problem));
        };
        let mut values = vec![0.0; tensor.shape.iter().product()];
        dequantize_rows(kind, self.file.tensor_bytes(tensor), &mut values);
        Ok(values)
    }

    /// Rows of Llama's rotated heads, put back in Hugging Face's order.
    fn in_order(&self, b: Vec<f32>, rank: usize) -> Vec<f32> {
        let rotated = matches!(self.place, Place::Linear(_, Site::Q | Site::K));
        if !rotated || self.base.architecture != Architecture::Llama {
            return b;
        }
        let rows = (0..b.len() / rank.max(1)).map(|row| interleaved(row, self.base.head_dim));
        rows.flat_map(|row| &b[row * rank..][..rank]).copied().collect()
    }
}
