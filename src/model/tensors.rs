//! The tensors that a model's files must hold, by name and shape, as transformers names them; and what
//! to make of those that they hold beside them.

use super::Site;
use formats::gguf_model::hf_name;
use formats::{Architecture, Error, ModelConfig, Result};
use std::collections::HashSet;
use std::path::Path;

/// Name and shape of every tensor of a model of this configuration.
pub fn expected_tensors(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let hidden = config.hidden_size;
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), vec![config.vocab_size, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    if !config.tie_word_embeddings {
        tensors.push(("lm_head.weight".to_owned(), vec![config.vocab_size, hidden]));
    }
    for layer in 0..config.num_hidden_layers {
        let parts = layer_parts(config).into_iter();
        tensors.extend(parts.map(|(part, shape)| (format!("model.layers.{layer}.{part}"), shape)));
    }
    tensors
}

/// The tensors of one layer, by their name behind `model.layers.{layer}.`.
fn layer_parts(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let norm = |name: &str, width: usize| (format!("{name}.weight"), vec![width]);
    let mut parts = vec![
        norm("input_layernorm", config.hidden_size),
        norm("post_attention_layernorm", config.hidden_size),
    ];
    if config.architecture == Architecture::Qwen3 {
        parts.push(norm("self_attn.q_norm", config.head_dim));
        parts.push(norm("self_attn.k_norm", config.head_dim));
    }
    for site in Site::ALL {
        let (n, k) = site.shape(config);
        parts.push((format!("{}.weight", site.module_path()), vec![n, k]));
        if site.has_bias(config) {
            parts.push((format!("{}.bias", site.module_path()), vec![n]));
        }
    }
    parts
}

/// Buffers that old checkpoints carry; they follow from the configuration.
const BUFFERS: [&str; 5] = [
    "rotary_emb.inv_freq",
    "rotary_emb.cos_cached",
    "rotary_emb.sin_cached",
    "rope_freqs.weight",
    "self_attn.masked_bias",
];

/// Of the tensors in a model's files at `path`, by the files' own names, those that the architecture has
/// no place for and that belong to no layer. Buffers and the copy of a tied head are passed over.
///
/// # Errors
/// [`Error::Malformed`] for more layers than the configuration has, or a tensor within a layer that would
/// be left out: the model would answer, and not as it was made to.
pub(super) fn unused<'a>(
    names: impl Iterator<Item = &'a str>,
    config: &ModelConfig,
    path: &Path,
) -> Result<Vec<String>> {
    let expected: HashSet<String> =
        expected_tensors(config).into_iter().map(|(name, _)| name).collect();
    let (mut layers, mut in_layer, mut others) = (0, None, Vec::new());
    for own in names {
        let name = hf_name(own).unwrap_or_else(|| own.to_owned());
        let passed_over = BUFFERS.iter().any(|buffer| name.ends_with(buffer));
        if expected.contains(&name) || passed_over || name == "lm_head.weight" {
            continue;
        }
        match layer_of(&name) {
            Some(layer) if layer >= config.num_hidden_layers => {
                layers = layers.max(layer.saturating_add(1))
            }
            Some(_) => in_layer = in_layer.or(Some(own)),
            None => others.push(own.to_owned()),
        }
    }
    let refused = |problem: String| Err(Error::Malformed { path: path.to_owned(), problem });
    let one = "use the weights and the configuration of one and the same model";
    if layers > 0 {
        let said = config.num_hidden_layers;
        let file = if path.is_dir() { "config.json" } else { "its metadata" };
        return refused(format!("{file} says {said} layers, the weights hold {layers}; {one}"));
    }
    match in_layer {
        Some(name) => refused(format!(
            "tensor `{name}` has no place in {}, so what it does would be left out; {one}",
            config.architecture.class_name()
        )),
        None => Ok(others),
    }
}

/// The layer that a tensor belongs to, by either of the two ways to name it.
fn layer_of(name: &str) -> Option<usize> {
    let rest = name.strip_prefix("model.layers.").or_else(|| name.strip_prefix("blk."))?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(layers: usize) -> ModelConfig {
        let json = json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8,
            "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2,
            "num_hidden_layers": layers, "vocab_size": 10, "max_position_embeddings": 32,
            "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": true,
        });
        ModelConfig::parse(&json.to_string(), Path::new("config.json")).unwrap()
    }

    fn judged(layers: usize, more: &[&str]) -> Result<Vec<String>> {
        let whole = expected_tensors(&config(2));
        let names = whole.iter().map(|(name, _)| name.as_str()).chain(more.iter().copied());
        unused(names, &config(layers), Path::new("model.gguf"))
    }

    #[test]
    fn layers_left_out_are_refused_with_both_figures() {
        assert_eq!(judged(2, &[]).unwrap(), Vec::<String>::new());
        let refused = judged(1, &[]).unwrap_err().to_string();
        assert!(refused.contains("says 1 layers, the weights hold 2;"), "{refused}");
        let refused = judged(2, &["blk.5.attn_q.weight"]).unwrap_err().to_string();
        assert!(refused.contains("says 2 layers, the weights hold 6;"), "{refused}");
        for part in ["model.layers.0.self_attn.q_proj.bias", "blk.1.ffn_gate_exps.weight"] {
            let refused = judged(2, &[part]).unwrap_err().to_string();
            assert!(refused.contains(&format!("tensor `{part}` has no place")), "{refused}");
        }
    }

    #[test]
    fn buffers_and_tied_heads_are_harmless_and_others_named() {
        let harmless = [
            "model.layers.0.self_attn.rotary_emb.inv_freq",
            "model.rotary_emb.inv_freq",
            "rope_freqs.weight",
            "lm_head.weight",
        ];
        assert_eq!(judged(2, &harmless).unwrap(), Vec::<String>::new());
        assert_eq!(
            judged(2, &["score.weight", "mtp.fc.weight"]).unwrap(),
            ["score.weight", "mtp.fc.weight"]
        );
    }
}
