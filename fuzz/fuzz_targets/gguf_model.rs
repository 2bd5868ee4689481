//! GGUF files read as models: configuration, tokenizer and every tensor de-quantized.

#![no_main]

use export::GgufWeights;
use export::ollama::GgufFacts;
use formats::GenerationConfig;
use fuzz::{Scratch, read_all};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = Scratch::new("gguf_model");
    let path = folder.write("model.gguf", data);
    let _facts = GgufFacts::read(&path);
    let Ok(weights) = GgufWeights::open(&path) else { return };
    let _sidecars = weights.sidecars();
    let _generation = GenerationConfig::from_gguf(weights.file());
    read_all(&weights);
});
