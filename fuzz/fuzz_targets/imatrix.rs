//! Importance matrices, GGUF and `.dat`.

#![no_main]

use export::gguf::Importance;
use fuzz::Scratch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = Scratch::new("imatrix");
    let path = folder.write("imatrix.gguf", data);
    if let Ok(importance) = Importance::read(&path) {
        let _columns = importance.of("blk.0.attn_q.weight", 4);
    }
});
