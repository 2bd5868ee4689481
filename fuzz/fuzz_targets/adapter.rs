//! Adapter folders: `adapter_config.json`, a zero byte, the weights; fitted to a small base. The
//! arithmetic that makes one of them is left out.

#![no_main]

use std::path::Path;

use formats::ModelConfig;
use formats::peft::{AdapterConfig, AdapterFiles, WholeWeights};
use fuzz::Scratch;
use libfuzzer_sys::fuzz_target;

/// The base of most adapters in `tests/golden/adapters`.
const BASE: &str = include_str!("../../tests/golden/model/qwen3_untied_gqa2/config.json");

fuzz_target!(|data: &[u8]| {
    let folder = Scratch::new("adapter");
    let Some(at) = data.iter().position(|byte| *byte == 0) else { return };
    folder.write("adapter_config.json", &data[..at]);
    folder.write("adapter_model.safetensors", &data[at + 1..]);
    let Ok(files) = AdapterFiles::read(folder.path()) else { return };
    let base = ModelConfig::parse(BASE, Path::new("config.json")).expect("a sound configuration");
    if let Ok(plan) = files.plan(&base) {
        let _whole = WholeWeights::of(&plan, &files, &base);
        let written = files.config().to_json().to_string();
        AdapterConfig::parse(&written, Path::new("a.json")).expect("what was written is read");
    }
});
