//! What the metadata and tensor names of a GGUF file mean: the `config.json`, the tokenizer's files and
//! the tensor names that Hugging Face's libraries would have for the same model.
//!
//! What GGUF does not keep cannot come back: the dropout and initializer of training, which tokens a
//! tokenizer splits off before anything else beyond control and user-defined ones, and the exact type
//! that quantized weights once had. What is left out: the tensors' values.

mod config;
mod names;
pub mod patterns;
mod pre_tokenizer;
mod rope;
mod special;
mod tokenizer;

pub use config::config_json;
pub use names::{gguf_name, hf_name};
pub use special::{generation_config_json, tokenizer_config_json};
pub use tokenizer::tokenizer_json;

use crate::gguf::{GgufFile, Metadata};
use crate::{Error, GenerationConfig, ModelConfig, Result};

impl ModelConfig {
    /// What a model's GGUF file says of its shape; every check of `config.json` holds here too.
    ///
    /// # Errors
    /// See [`config_json`] and [`ModelConfig::parse`].
    pub fn from_gguf(file: &GgufFile) -> Result<Self> {
        Self::parse(&config_json(file)?.to_string(), file.path())
    }
}

impl GenerationConfig {
    /// The sampling defaults and special tokens of a model's GGUF file.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a value out of range.
    pub fn from_gguf(file: &GgufFile) -> Result<Self> {
        Self::parse(&generation_config_json(file).to_string(), file.path())
    }
}

/// The key's whole number, which must be there.
fn required(file: &GgufFile, key: &str) -> Result<u64> {
    file.metadata().unsigned(key).ok_or_else(|| {
        let problem = format!("has no whole number under the key `{key}`, which a model needs");
        Error::malformed(file.path(), problem)
    })
}

/// A float of the file as the decimal that was written: 1e-6, and not the f32 nearest to it.
fn decimal(metadata: &Metadata, key: &str) -> Option<f64> {
    let value = metadata.float(key)?;
    let short = (value as f32).to_string();
    short.parse().ok().filter(|value: &f64| value.is_finite())
}
