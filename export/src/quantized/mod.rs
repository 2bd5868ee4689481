//! A checkpoint whose `config.json` has a `quantization_config`, read as the dense model it stands for.
//!
//! One way of storing weights, one file; each hands out rows as f32 without ever holding its matrix.
//! Values are those of the method's reference implementation before it rounds to its output type: round
//! them to that type and the bits are the same. What is left out: GGUF files, and quantizing.

mod awq;
mod find;
mod float8;
mod four_bit;
mod gptq;
mod grid;
mod int8;
mod packed;
mod part;
mod plan;
mod scaled;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use formats::{Checkpoint, Quantization};

use crate::{Error, Result, TensorInfo, Weights, dense};

/// The tensors of a quantized Hugging Face folder, memory-mapped, under the dense model's names.
pub struct QuantizedWeights {
    checkpoint: Checkpoint,
    tensors: Vec<TensorInfo>,
    stored: BTreeMap<String, Stored>,
    method: &'static str,
}

/// How one tensor is stored.
#[derive(Debug)]
enum Stored {
    Dense,
    FourBit(four_bit::FourBit),
    Int8(int8::Int8),
    Gptq(gptq::Gptq),
    Awq(awq::Awq),
    Packed(packed::Packed),
    Scaled(scaled::Scaled),
}

impl QuantizedWeights {
    /// Opens the model folder `dir` and finds the parts of every weight.
    ///
    /// # Errors
    /// A `config.json` without `quantization_config`, a method that is not known, and tensors that are
    /// missing, left over or contradict one another or the settings.
    pub fn open(dir: &Path) -> Result<Self> {
        let Some(quantization) = Quantization::read(dir)? else {
            let problem = "has no `quantization_config`: its weights are not quantized";
            return Err(Error::refused(&dir.join("config.json"), problem));
        };
        let checkpoint = Checkpoint::open(dir)?;
        let found = plan::find(&checkpoint, &quantization)?;
        let tensors = found.iter().map(|(info, _)| info.clone()).collect();
        let stored = found.into_iter().map(|(info, stored)| (info.name, stored)).collect();
        Ok(Self { checkpoint, tensors, stored, method: quantization.method() })
    }

    /// The files behind it.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The name of the method, as in `quant_method`.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Whether a tensor is quantized in the file.
    pub fn is_quantized(&self, tensor: &str) -> bool {
        self.stored.get(tensor).is_some_and(|stored| !matches!(stored, Stored::Dense))
    }
}

impl Weights for QuantizedWeights {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read_rows(&self, tensor: &TensorInfo, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let files = &self.checkpoint;
        let Some(stored) = self.stored.get(&tensor.name) else {
            let problem = format!("has no tensor `{}`", tensor.name);
            return Err(Error::refused(files.dir(), problem));
        };
        match stored {
            Stored::Dense => dense::read_rows(files, tensor, rows, out),
            Stored::FourBit(weight) => {
                let columns = tensor.columns();
                weight.read(files, rows.start * columns..rows.end * columns, out)
            }
            Stored::Int8(weight) => weight.read(files, rows, out),
            Stored::Gptq(weight) => weight.read(files, rows, out),
            Stored::Awq(weight) => weight.read(files, rows, out),
            Stored::Packed(weight) => weight.read(files, rows, out),
            Stored::Scaled(weight) => weight.read(files, rows, out),
        }
    }

    fn release(&self, tensor: &TensorInfo) {
        self.checkpoint.release(&tensor.name);
        // The parts of a weight are named after its module.
        let Some(module) = tensor.name.strip_suffix("weight") else { return };
        for part in self.checkpoint.names().filter(|name| name.starts_with(module)) {
            self.checkpoint.release(part);
        }
    }
}
