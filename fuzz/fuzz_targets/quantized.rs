//! Quantized folders: `config.json`, a zero byte, the weights; every tensor de-quantized.

#![no_main]

use export::QuantizedWeights;
use fuzz::{Scratch, read_all};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = Scratch::new("quantized");
    let Some(at) = data.iter().position(|byte| *byte == 0) else { return };
    folder.write("config.json", &data[..at]);
    folder.write("model.safetensors", &data[at + 1..]);
    if let Ok(weights) = QuantizedWeights::open(folder.path()) {
        read_all(&weights);
    }
});
