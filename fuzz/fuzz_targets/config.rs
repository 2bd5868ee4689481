//! `config.json` (the model, its `quantization_config`) and `generation_config.json`.

#![no_main]

use std::path::Path;

use formats::{GenerationConfig, ModelConfig, Quantization};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let path = Path::new("config.json");
    let _quantization = Quantization::parse(text, path);
    let _generation = GenerationConfig::parse(text, path);
    if let Ok(config) = ModelConfig::parse(text, path) {
        let again = ModelConfig::parse(&config.to_json().to_string(), path);
        assert_eq!(again.expect("what was written is read"), config);
        let _factor = config.rope.attention_factor();
    }
});
