//! The GGUF container: its metadata and the place of every tensor. What they mean is `gguf_model`.

#![no_main]

use std::path::Path;

use formats::gguf::GgufFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = GgufFile::from_bytes(data.to_vec(), Path::new("model.gguf")) else { return };
    for tensor in file.tensors() {
        assert_eq!(file.tensor_bytes(tensor).len(), tensor.bytes());
    }
    for (key, _) in file.metadata().iter() {
        assert!(file.metadata().get(key).is_some());
    }
});
