//! A GGUF file, read as the Hugging Face checkpoint it was made from.
//!
//! Names are translated and Llama's rotated heads put back in Hugging Face's order. Values are the bits
//! of ggml's own de-quantization. What is left out: `rope_freqs.weight`, which the configuration says.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use formats::gguf::{GgufFile, GgufTensor, TensorType};
use formats::{Architecture, Dtype, ModelConfig, gguf_model};
use kernels::blocks::{BlockType, dequantize_rows};

use crate::{Error, Result, TensorInfo, Weights};

/// The tensors of a GGUF file, memory-mapped, under Hugging Face's names.
pub struct GgufWeights {
    file: Arc<GgufFile>,
    config: ModelConfig,
    tensors: Vec<TensorInfo>,
    stored: BTreeMap<String, Stored>,
}

struct Stored {
    /// The name in the file.
    name: String,
    kind: BlockType,
    /// Rows of a head where heads are stored interleaved.
    head: Option<usize>,
}

impl GgufWeights {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// A file that is no sound GGUF, an architecture, a tensor or a type that this program does not read.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(Arc::new(GgufFile::open(path)?))
    }

    /// Of an open file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of(file: Arc<GgufFile>) -> Result<Self> {
        let config = ModelConfig::from_gguf(&file)?;
        let dtype = config.dtype.unwrap_or(Dtype::BF16);
        let (mut tensors, mut stored) = (Vec::new(), BTreeMap::new());
        for tensor in file.tensors().iter().filter(|tensor| tensor.name != "rope_freqs.weight") {
            let (name, place) = place(&file, tensor, &config)?;
            let shape = tensor.shape.clone();
            tensors.push(TensorInfo { name: name.clone(), shape, dtype });
            stored.insert(name, place);
        }
        Ok(Self { file, config, tensors, stored })
    }

    /// The file behind it.
    pub fn file(&self) -> &Arc<GgufFile> {
        &self.file
    }

    /// The model's shape, as the metadata say it.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// How a tensor is stored, by its Hugging Face name.
    pub fn kind(&self, tensor: &str) -> Option<BlockType> {
        self.stored.get(tensor).map(|stored| stored.kind)
    }

    /// Whether any tensor is stored in blocks.
    pub fn is_quantized(&self) -> bool {
        self.stored.values().any(|stored| is_in_blocks(stored.kind))
    }

    /// The type of fewest bits that a matrix is stored in.
    pub fn coarsest(&self) -> TensorType {
        let matrices = self.file.tensors().iter().filter(|tensor| tensor.shape.len() > 1);
        let bits = |kind: &TensorType| kind.block_bytes * 8 * 256 / kind.block_len;
        matrices.map(|tensor| tensor.kind).min_by_key(bits).unwrap_or(TensorType::F32)
    }

    /// The files that a Hugging Face folder has beside the weights: names and contents.
    ///
    /// # Errors
    /// A tokenizer that this program does not read.
    pub fn sidecars(&self) -> Result<Vec<(&'static str, serde_json::Value)>> {
        Ok(vec![
            ("config.json", gguf_model::config_json(&self.file)?),
            ("generation_config.json", gguf_model::generation_config_json(&self.file)),
            ("tokenizer.json", gguf_model::tokenizer_json(&self.file)?),
            ("tokenizer_config.json", gguf_model::tokenizer_config_json(&self.file)),
        ])
    }

    /// Row `row` of a tensor, in Hugging Face's order.
    fn read_row(&self, stored: &Stored, tensor: &GgufTensor, row: usize, out: &mut [f32]) {
        let row = stored.head.map_or(row, |head| interleaved(row, head));
        let bytes = stored.kind.row_bytes(out.len());
        let all = self.file.tensor_bytes(tensor);
        dequantize_rows(stored.kind, &all[row * bytes..(row + 1) * bytes], out);
    }
}

impl Weights for GgufWeights {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read_rows(&self, tensor: &TensorInfo, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let Some(stored) = self.stored.get(&tensor.name) else {
            let problem = format!("has no tensor `{}`", tensor.name);
            return Err(Error::refused(self.file.path(), problem));
        };
        let found = self.file.require(&stored.name, &tensor.shape)?;
        let columns = tensor.columns();
        if tensor.shape.len() > 1 {
            for (row, out) in rows.zip(out.chunks_exact_mut(columns.max(1))) {
                self.read_row(stored, found, row, out);
            }
            return Ok(());
        }
        let mut values = vec![0.0; columns];
        dequantize_rows(stored.kind, self.file.tensor_bytes(found), &mut values);
        for (at, value) in out.iter_mut().enumerate() {
            *value = values[stored.head.map_or(at, |head| interleaved(at, head))];
        }
        Ok(())
    }

    fn release(&self, tensor: &TensorInfo) {
        let stored = self.stored.get(&tensor.name);
        let found = stored.and_then(|stored| self.file.require(&stored.name, &tensor.shape).ok());
        if let Some(found) = found {
            self.file.release(found);
        }
    }
}

/// Where a tensor's values are found, and its name in Hugging Face's layout.
fn place(file: &GgufFile, tensor: &GgufTensor, config: &ModelConfig) -> Result<(String, Stored)> {
    let refuse = |problem: String| Err(Error::refused(file.path(), problem));
    let Some(name) = gguf_model::hf_name(&tensor.name) else {
        return refuse(format!(
            "holds the tensor `{}`, which no model of {} has",
            tensor.name,
            config.architecture.model_type()
        ));
    };
    let Some(kind) = BlockType::from_id(tensor.kind.id) else {
        let known: Vec<&str> = BlockType::ALL.iter().map(|kind| kind.name()).collect();
        return refuse(format!(
            "tensor `{}` is stored as {}, which is not supported; expected one of {}",
            tensor.name,
            tensor.kind,
            known.join(", ")
        ));
    };
    let module = tensor.name.rsplit('.').nth(1);
    let rotated =
        config.architecture == Architecture::Llama && matches!(module, Some("attn_q" | "attn_k"));
    let head = rotated.then_some(config.head_dim);
    let rows = tensor.shape.first().copied().unwrap_or(1);
    if head.is_some_and(|head| !rows.is_multiple_of(head)) {
        return refuse(format!(
            "tensor `{}` has {rows} rows, which are not heads of {}",
            tensor.name, config.head_dim
        ));
    }
    Ok((name, Stored { name: tensor.name.clone(), kind, head }))
}

/// Whether a type stores values in blocks with scales.
pub(crate) fn is_in_blocks(kind: BlockType) -> bool {
    !matches!(kind, BlockType::F32 | BlockType::F16 | BlockType::BF16)
}

/// Where llama.cpp stores row `row`: row `p · head/2 + j` of a head is its row `2j + p`.
pub(crate) fn interleaved(row: usize, head: usize) -> usize {
    let (first, within) = (row / head * head, row % head);
    first + 2 * (within % (head / 2)) + within / (head / 2)
}
