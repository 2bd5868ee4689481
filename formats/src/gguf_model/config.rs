//! `config.json` from a GGUF file's metadata, in transformers 4's spelling.

use serde_json::{Map, Value, json};

use super::rope;
use super::{decimal, required};
use crate::config::Architecture;
use crate::gguf::{GgufFile, TensorType};
use crate::{Error, Result};

/// The ids of F32 and F16 in `general.file_type`.
const ALL_F32: u64 = 0;
const MOSTLY_F16: u64 = 1;

/// The `config.json` of the model in `file`, for [`crate::ModelConfig::parse`] to check.
///
/// # Errors
/// [`Error::Unsupported`] for an architecture that this program does not run, [`Error::Malformed`] for
/// metadata that are missing.
pub fn config_json(file: &GgufFile) -> Result<Value> {
    let architecture = architecture(file)?;
    let metadata = file.metadata();
    let name = architecture.model_type();
    let count = |key: &str| required(file, &format!("{name}.{key}"));
    let heads = count("attention.head_count")?;
    let kv_heads = metadata.unsigned(&format!("{name}.attention.head_count_kv")).unwrap_or(heads);
    let hidden = count("embedding_length")?;
    let head_dim = metadata.unsigned(&format!("{name}.attention.key_length"));
    let head_dim = head_dim.unwrap_or(hidden / heads.max(1));
    refuse_other_models(file, name, head_dim)?;
    let epsilon = decimal(metadata, &format!("{name}.attention.layer_norm_rms_epsilon"));
    let has = |tensor: &str| file.tensor(tensor).is_some();
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| {
        config.insert(key.to_owned(), value);
    };
    set("architectures", json!([architecture.class_name()]));
    if architecture != Architecture::Qwen2 {
        set("attention_bias", json!(has("blk.0.attn_q.bias")));
    }
    for (key, token) in
        [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")]
    {
        set(key, json!(metadata.unsigned(&format!("tokenizer.ggml.{token}_token_id"))));
    }
    set("head_dim", json!(head_dim));
    set("hidden_act", json!("silu"));
    set("hidden_size", json!(hidden));
    set("intermediate_size", json!(count("feed_forward_length")?));
    set("max_position_embeddings", json!(count("context_length")?));
    if architecture == Architecture::Llama {
        set("mlp_bias", json!(has("blk.0.ffn_gate.bias")));
    }
    set("model_type", json!(name));
    set("num_attention_heads", json!(heads));
    set("num_hidden_layers", json!(count("block_count")?));
    set("num_key_value_heads", json!(kv_heads));
    set("rms_norm_eps", json!(epsilon.unwrap_or(1e-6)));
    set("rope_scaling", rope::scaling(file, name, head_dim)?);
    set("rope_theta", json!(rope::theta(metadata, name)));
    set("tie_word_embeddings", json!(!has("output.weight")));
    set("torch_dtype", json!(dtype(file)));
    set("use_cache", json!(true));
    set("vocab_size", json!(vocabulary(file)?));
    Ok(Value::Object(config))
}

/// What the metadata may ask for that this program does not compute.
fn refuse_other_models(file: &GgufFile, name: &str, head_dim: u64) -> Result<()> {
    let metadata = file.metadata();
    let refused = [
        ("expert_count", "a mixture of experts"),
        ("attention.sliding_window", "a sliding window"),
        ("attention.clamp_kqv", "clamped attention"),
        ("logit_scale", "scaled logits"),
        ("embedding_scale", "scaled embeddings"),
        ("residual_scale", "scaled residuals"),
    ];
    for (key, what) in refused {
        let key = format!("{name}.{key}");
        let number = metadata.unsigned(&key).map(|n| n as f64).or_else(|| metadata.float(&key));
        if metadata.get(&key).is_some() && number != Some(0.0) {
            let feature = format!("`{key}` ({what})");
            return Err(Error::unsupported(file.path(), feature, "use a plain dense model"));
        }
    }
    for key in ["attention.value_length", "rope.dimension_count"] {
        let key = format!("{name}.{key}");
        let found = metadata.unsigned(&key);
        if metadata.get(&key).is_some() && found != Some(head_dim) {
            let feature = format!("`{key}` beside heads of {head_dim}");
            let advice = "use a model whose heads have one width and are rotated whole";
            return Err(Error::unsupported(file.path(), feature, advice));
        }
    }
    Ok(())
}

fn architecture(file: &GgufFile) -> Result<Architecture> {
    let Some(name) = file.metadata().str("general.architecture") else {
        let problem = "does not say its `general.architecture`; is it a model?";
        return Err(Error::malformed(file.path(), problem));
    };
    Architecture::ALL.into_iter().find(|known| known.model_type() == name).ok_or_else(|| {
        let advice = "use a model of qwen2, qwen3 or llama";
        Error::unsupported(file.path(), format!("the architecture \"{name}\""), advice)
    })
}

/// Rows of the embedding: the tokenizer may know fewer tokens.
fn vocabulary(file: &GgufFile) -> Result<usize> {
    let tensor = file.tensor("token_embd.weight").ok_or_else(|| Error::MissingTensor {
        path: file.path().to_owned(),
        name: "token_embd.weight".to_owned(),
    })?;
    match tensor.shape[..] {
        [rows, _] => Ok(rows),
        _ => {
            let found = &tensor.shape;
            let problem = format!("tensor `token_embd.weight` has shape {found:?}, expected two");
            Err(Error::malformed(file.path(), problem))
        }
    }
}

/// What the weights were, as far as the file says: quantized ones are given as bfloat16.
fn dtype(file: &GgufFile) -> &'static str {
    match file.metadata().unsigned("general.file_type") {
        Some(ALL_F32) => "float32",
        Some(MOSTLY_F16) => "float16",
        Some(_) => "bfloat16",
        None => {
            let all = |kind: TensorType| file.tensors().iter().all(|tensor| tensor.kind == kind);
            if all(TensorType::F32) { "float32" } else { "bfloat16" }
        }
    }
}
