//! The tensors that a model's files must hold, by name and shape, as transformers names them.

use crate::model::Site;
use formats::{Architecture, ModelConfig};

/// Name and shape of every tensor of a model of this configuration.
pub(super) fn expected(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
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
