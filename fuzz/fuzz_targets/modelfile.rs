//! Modelfiles: what can be written again is read as the same.

#![no_main]

use export::ollama::Modelfile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(file) = Modelfile::parse(text) else { return };
    let _dropped = file.dropped();
    if let Ok(written) = file.to_text() {
        assert_eq!(Modelfile::parse(&written).expect("what was written is read"), file);
    }
});
