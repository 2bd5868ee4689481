//! The metadata that describe the decoder: `{architecture}.*`, in the converter's order.

use std::path::Path;

use formats::gguf::{Metadata, Value};
use formats::{Architecture, ModelConfig, RopeScaling};

use super::file_type::FileType;
use crate::{Error, Result};

/// The layout of ggml's blocks.
const QUANTIZATION_VERSION: u32 = 2;

/// Appends the decoder's keys and the file's type. `path` is named where something cannot be said.
pub(super) fn describe(
    config: &ModelConfig,
    file_type: FileType,
    path: &Path,
    metadata: &mut Metadata,
) -> Result<()> {
    let name = config.architecture.model_type();
    let count = |value: usize| {
        let problem = || Error::refused(path, format!("{value} does not fit GGUF's 32 bits"));
        u32::try_from(value).map(Value::U32).map_err(|_| problem())
    };
    for (key, value) in [
        ("block_count", config.num_hidden_layers),
        ("context_length", config.max_position_embeddings),
        ("embedding_length", config.hidden_size),
        ("feed_forward_length", config.intermediate_size),
        ("attention.head_count", config.num_attention_heads),
        ("attention.head_count_kv", config.num_key_value_heads),
    ] {
        metadata.set(format!("{name}.{key}"), count(value)?);
    }
    scaling(config, path, metadata)?;
    metadata.set(format!("{name}.rope.freq_base"), float(config.rope.theta));
    let epsilon = format!("{name}.attention.layer_norm_rms_epsilon");
    metadata.set(epsilon, float(config.rms_norm_eps));
    metadata.set(format!("{name}.attention.key_length"), count(config.head_dim)?);
    metadata.set(format!("{name}.attention.value_length"), count(config.head_dim)?);
    metadata.set("general.file_type", Value::U32(file_type.id()));
    if config.architecture == Architecture::Llama {
        metadata.set("llama.vocab_size", count(config.vocab_size)?);
        metadata.set("llama.rope.dimension_count", count(config.head_dim)?);
    }
    metadata.set("general.quantization_version", Value::U32(QUANTIZATION_VERSION));
    Ok(())
}

/// `rope.scaling.*`. Llama 3's scaling is a tensor of factors instead ([`super::rope`]).
fn scaling(config: &ModelConfig, path: &Path, metadata: &mut Metadata) -> Result<()> {
    let key = |what: &str| format!("{}.rope.scaling.{what}", config.architecture.model_type());
    match &config.rope.scaling {
        RopeScaling::Llama3 { .. } if config.architecture != Architecture::Llama => {
            let problem = "Llama 3's rope scaling cannot be said in GGUF for this architecture; merge \
                           to safetensors instead";
            return Err(Error::refused(path, problem));
        }
        RopeScaling::Default | RopeScaling::Llama3 { .. } => {}
        RopeScaling::Linear { factor } => {
            metadata.set(key("type"), Value::String("linear".to_owned()));
            metadata.set(key("factor"), float(*factor));
        }
        RopeScaling::Yarn { truncate: false, .. } => {
            let problem = "YaRN with `truncate: false` cannot be said in GGUF; set it to true, or \
                           merge to safetensors instead";
            return Err(Error::refused(path, problem));
        }
        RopeScaling::Yarn {
            factor,
            original_max_position_embeddings,
            attention_factor,
            beta_fast,
            beta_slow,
            ..
        } => {
            metadata.set(key("type"), Value::String("yarn".to_owned()));
            metadata.set(key("factor"), float(*factor));
            let original = u32::try_from(*original_max_position_embeddings)
                .map_err(|_| Error::refused(path, "the original context does not fit 32 bits"))?;
            metadata.set(key("original_context_length"), Value::U32(original));
            // llama.cpp multiplies by the paper's factor itself; the key holds what differs from it.
            let own = if *factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 };
            if (attention_factor / own - 1.0).abs() > 1e-6 {
                metadata.set(key("yarn_attn_factor"), float(attention_factor / own));
            }
            for (what, value, usual) in
                [("yarn_beta_fast", *beta_fast, 32.0), ("yarn_beta_slow", *beta_slow, 1.0)]
            {
                if value != usual {
                    metadata.set(key(what), float(value));
                }
            }
        }
    }
    Ok(())
}

/// GGUF's metadata hold single precision.
pub(super) fn float(value: f64) -> Value {
    Value::F32(value as f32)
}
