//! Bytes on disk to typed values and back; every untrusted number is checked. No tensors, no engine.
//!
//! One format, one module:
//! * [`config`]: Hugging Face `config.json` and `generation_config.json`;
//! * [`digest`]: SHA-256 and its hexadecimal digits;
//! * [`safetensors`]: tensor files, one or sharded, memory-mapped to read, written whole;
//! * [`gguf`]: llama.cpp's container, memory-mapped to read, streamed to write;
//! * [`gguf_model`]: the Hugging Face files that the metadata of a GGUF file stand for;
//! * [`model_folder`]: which files of a Hugging Face model folder are what;
//! * [`peft`]: LoRA adapter folders as PEFT writes them, and the proof that one fits a base;
//! * [`python`]: how Python prints values;
//! * [`quantization`]: what a `config.json` says of how quantized weights are stored;
//! * [`table`]: records of data sets, as JSON lines, CSV or parquet;
//! * [`whole`]: files and folders that appear on disk complete or not at all.
//!
//! What is left out: downloading, and any arithmetic on the tensors: a quantized tensor is bytes here.

pub mod config;
pub mod digest;
mod error;
mod fields;
mod fingerprint;
pub mod gguf;
pub mod gguf_model;
mod mapped;
pub mod model_folder;
pub mod peft;
pub mod python;
pub mod quantization;
pub mod safetensors;
mod site;
pub mod table;
pub mod whole;

pub use config::{Architecture, GenerationConfig, ModelConfig, Rope, RopeScaling};
pub use error::{Error, Result};
pub use fingerprint::fingerprint;
pub use quantization::Quantization;
pub use safetensors::{
    Checkpoint, CheckpointWriter, Dtype, NamedTensor, SafetensorsFile, TensorPlan, TensorView,
    round_to, write_safetensors,
};
pub use site::Site;
