//! Writing a `config.json` that transformers 4 and 5 both read.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::model::{Architecture, ModelConfig};
use super::rope::{Rope, RopeScaling};
use crate::fields::parse_object;
use crate::{Dtype, Result};

/// The `config.json` of the folder `dir`, its fields and their order kept, for weights that are stored
/// as floats of one type and whose head is the embedding or is not.
///
/// # Errors
/// [`crate::Error::Io`] or [`crate::Error::Json`].
pub fn rewrite_config(dir: &Path, dtype: Option<Dtype>, tied: bool) -> Result<Value> {
    let path = dir.join("config.json");
    let mut object = parse_object(&fs_err::read_to_string(&path)?, &path)?;
    for key in ["quantization_config", "compression_config"] {
        object.shift_remove(key);
    }
    if let Some(name) = dtype.and_then(Dtype::torch_name) {
        // transformers 5 calls it `dtype`, and reads both.
        let key = if object.contains_key("dtype") { "dtype" } else { "torch_dtype" };
        object.insert(key.to_owned(), json!(name));
    }
    if object.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(false) != tied {
        object.insert("tie_word_embeddings".to_owned(), json!(tied));
    }
    Ok(Value::Object(object))
}

impl ModelConfig {
    /// The configuration in transformers 4's spelling (`rope_theta`, `rope_scaling`, `torch_dtype`),
    /// which transformers 5 reads too.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut set = |key: &str, value: Value| {
            object.insert(key.to_owned(), value);
        };
        set("architectures", json!([self.architecture.class_name()]));
        if self.architecture != Architecture::Qwen2 {
            // Qwen2's biases are fixed by its architecture.
            set("attention_bias", json!(self.qkv_bias));
        }
        set("attention_dropout", json!(0.0));
        set("bos_token_id", json!(self.bos_token_id));
        set("eos_token_id", one_or_many(&self.eos_token_ids));
        set("head_dim", json!(self.head_dim));
        set("hidden_act", json!("silu"));
        set("hidden_size", json!(self.hidden_size));
        set("initializer_range", json!(self.initializer_range));
        set("intermediate_size", json!(self.intermediate_size));
        set("max_position_embeddings", json!(self.max_position_embeddings));
        if self.architecture == Architecture::Llama {
            set("mlp_bias", json!(self.mlp_bias));
        }
        set("model_type", json!(self.architecture.model_type()));
        set("num_attention_heads", json!(self.num_attention_heads));
        set("num_hidden_layers", json!(self.num_hidden_layers));
        set("num_key_value_heads", json!(self.num_key_value_heads));
        set("pad_token_id", json!(self.pad_token_id));
        set("rms_norm_eps", json!(self.rms_norm_eps));
        set("rope_scaling", rope_scaling(&self.rope));
        set("rope_theta", json!(self.rope.theta));
        set("sliding_window", Value::Null);
        set("tie_word_embeddings", json!(self.tie_word_embeddings));
        set("torch_dtype", json!(self.dtype.and_then(|dtype| dtype.torch_name())));
        set("use_cache", json!(true));
        set("use_sliding_window", json!(false));
        set("vocab_size", json!(self.vocab_size));
        Value::Object(object)
    }
}

fn one_or_many(ids: &[u32]) -> Value {
    match ids {
        [] => Value::Null,
        [one] => json!(one),
        many => json!(many),
    }
}

fn rope_scaling(rope: &Rope) -> Value {
    match &rope.scaling {
        RopeScaling::Default => Value::Null,
        RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low_freq_factor,
            "high_freq_factor": high_freq_factor,
            "original_max_position_embeddings": original_max_position_embeddings,
        }),
        RopeScaling::Yarn {
            factor,
            original_max_position_embeddings,
            attention_factor,
            beta_fast,
            beta_slow,
            mscale,
            mscale_all_dim,
            truncate,
        } => json!({
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": original_max_position_embeddings,
            "attention_factor": attention_factor,
            "beta_fast": beta_fast,
            "beta_slow": beta_slow,
            "mscale": mscale,
            "mscale_all_dim": mscale_all_dim,
            "truncate": truncate,
        }),
    }
}
