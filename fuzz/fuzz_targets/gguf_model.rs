//! GGUF files read as models (configuration, tokenizer, every tensor de-quantized), and as adapters.

#![no_main]

use std::path::Path;

use export::GgufWeights;
use export::gguf::read_gguf_adapter;
use export::ollama::GgufFacts;
use formats::{GenerationConfig, ModelConfig};
use fuzz::{Scratch, read_all};
use libfuzzer_sys::fuzz_target;

/// The base of the adapters among the seeds.
const BASE: &str = include_str!("../../tests/golden/model/qwen3_untied_gqa2/config.json");

fuzz_target!(|data: &[u8]| {
    let folder = Scratch::new("gguf_model");
    let path = folder.write("model.gguf", data);
    let _facts = GgufFacts::read(&path);
    let base = ModelConfig::parse(BASE, Path::new("config.json")).expect("a sound configuration");
    for pair in read_gguf_adapter(&path, &base).unwrap_or_default() {
        assert!(pair.rank > 0 && pair.a.len() % pair.rank == 0 && pair.b.len() % pair.rank == 0);
    }
    let Ok(weights) = GgufWeights::open(&path) else { return };
    let _sidecars = weights.sidecars();
    let _generation = GenerationConfig::from_gguf(weights.file());
    read_all(&weights);
});
