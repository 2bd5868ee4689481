//! Bytes on disk to typed values and back; every untrusted number is checked. No tensors, no engine.
//!
//! One format, one module:
//! * [`config`]: Hugging Face `config.json` and `generation_config.json`;
//! * [`safetensors`]: tensor files, one or sharded, memory-mapped to read, written whole;
//! * [`gguf`]: llama.cpp's container, memory-mapped to read, streamed to write;
//! * [`peft`]: LoRA adapter folders as PEFT writes them, and PEFT's matching of module names;
//! * [`whole`]: files and folders that appear on disk complete or not at all.
//!
//! What is left out: downloading, and any arithmetic on the tensors: a quantized tensor is bytes here.

pub mod config;
mod error;
mod fields;
pub mod gguf;
mod mapped;
pub mod peft;
pub mod safetensors;
pub mod whole;

pub use config::{Architecture, GenerationConfig, ModelConfig, Rope, RopeScaling};
pub use error::{Error, Result};
pub use safetensors::{
    Checkpoint, Dtype, NamedTensor, SafetensorsFile, TensorView, write_safetensors,
};
