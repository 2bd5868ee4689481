//! The choice of block types against llama.cpp's own lists for real models; recorded by `mixtures.py`.

use std::collections::HashMap;

use export::gguf::{FileType, Sizes, choose};
use formats::Architecture;
use serde_json::Value;

use crate::tiny;

/// One layer's matrices, with the name of the fact that says how wide their rows are.
const LAYER: [(&str, &str); 7] = [
    ("attn_k.weight", "n_embd"),
    ("attn_output.weight", "attention"),
    ("attn_q.weight", "n_embd"),
    ("attn_v.weight", "n_embd"),
    ("ffn_down.weight", "n_ff"),
    ("ffn_gate.weight", "n_embd"),
    ("ffn_up.weight", "n_embd"),
];

fn architecture(name: &str) -> Architecture {
    Architecture::ALL.into_iter().find(|known| known.model_type() == name).unwrap()
}

#[test]
fn every_mixture_is_llama_cpps_for_real_models() {
    let text = fs_err::read_to_string(tiny::golden("gguf/mixtures.json")).unwrap();
    let recorded: Value = serde_json::from_str(&text).unwrap();
    let mut compared = 0;
    for (model, recorded) in recorded.as_object().unwrap() {
        let fact = |name: &str| recorded["facts"][name].as_u64().unwrap() as usize;
        let layers = fact("n_layer");
        let sizes = Sizes {
            architecture: architecture(recorded["architecture"].as_str().unwrap()),
            layers,
            heads: fact("n_head"),
            kv_heads: fact("n_head_kv"),
            tied: false,
            importance: false,
        };
        let mut tensors = vec![
            ("output.weight".to_owned(), "n_embd"),
            ("token_embd.weight".to_owned(), "n_embd"),
        ];
        for layer in 0..layers {
            tensors.extend(LAYER.map(|(name, width)| (format!("blk.{layer}.{name}"), width)));
        }
        for (file_type, listed) in recorded["types"].as_object().unwrap() {
            let others = others(listed);
            let file_type = FileType::from_name(file_type).unwrap();
            for (tensor, width) in &tensors {
                // Attention's output has 128 values a head in these models: whole blocks.
                let columns =
                    if *width == "attention" { 128 * fact("n_head") } else { fact(width) };
                let expected = others.get(tensor.as_str()).copied();
                let expected = expected.unwrap_or(listed["default"].as_str().unwrap());
                let chosen = choose(file_type, &sizes, tensor, 2, columns);
                assert_eq!(chosen.name(), expected, "{model} as {file_type}: {tensor}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 17 * (3 * 2 + 7 * (28 + 40 + 80)));
}

/// Tensors that do not get the default, by name.
fn others(listed: &Value) -> HashMap<String, &str> {
    let mut others = HashMap::new();
    for (key, layers) in listed["others"].as_object().unwrap() {
        let (name, kind) = key.split_once(' ').unwrap();
        for layer in layers.as_array().unwrap() {
            let global = matches!(name, "output.weight" | "token_embd.weight");
            let tensor = if global { name.to_owned() } else { format!("blk.{layer}.{name}") };
            others.insert(tensor, kind);
        }
    }
    others
}
