//! bitsandbytes' `QuantState`: the JSON that stands in a tensor beside four-bit weights.

#![no_main]

use std::path::Path;

use formats::quantization::QuantState;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _state = QuantState::parse(data, Path::new("model.safetensors"), "m.weight");
});
