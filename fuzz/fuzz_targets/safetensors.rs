//! Safetensors files: the header, and every tensor widened to f32.

#![no_main]

use std::path::Path;

use formats::SafetensorsFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = SafetensorsFile::from_bytes(data.to_vec(), Path::new("model.safetensors"))
    else {
        return;
    };
    for tensor in file.tensors() {
        let _values = tensor.to_f32();
    }
});
