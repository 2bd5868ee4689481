//! `generation_config.json`, as Qwen's and Llama's makers write it.

use std::path::Path;

use formats::GenerationConfig;
use serde_json::{Value, json};

use crate::sentences::says;

fn parse(value: &Value) -> formats::Result<GenerationConfig> {
    GenerationConfig::parse(&value.to_string(), Path::new("generation_config.json"))
}

#[test]
fn makers_files_are_read() {
    let qwen = parse(&json!({
        "bos_token_id": 151643, "do_sample": true, "eos_token_id": [151645, 151643],
        "pad_token_id": 151643, "repetition_penalty": 1.1, "temperature": 0.7, "top_k": 20,
        "top_p": 0.8, "transformers_version": "4.37.0"
    }))
    .unwrap();
    let expected = GenerationConfig {
        bos_token_id: Some(151_643),
        eos_token_ids: vec![151_645, 151_643],
        pad_token_id: Some(151_643),
        do_sample: Some(true),
        temperature: Some(0.7),
        top_p: Some(0.8),
        top_k: Some(20),
        repetition_penalty: Some(1.1),
        ..GenerationConfig::default()
    };
    assert_eq!(qwen, expected);
    assert_eq!(parse(&qwen.to_json()).unwrap(), qwen);
    let one = parse(&json!({"eos_token_id": 2, "temperature": null, "min_p": 0.05})).unwrap();
    assert_eq!((one.eos_token_ids.as_slice(), one.min_p), ([2].as_slice(), Some(0.05)));
    assert_eq!(parse(&json!({"eos_token_id": null})).unwrap(), GenerationConfig::default());
}

#[test]
fn a_folder_without_the_file_has_none() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(GenerationConfig::read(dir.path()).unwrap(), None);
    fs_err::write(dir.path().join("generation_config.json"), "{\"top_k\": 5}").unwrap();
    assert_eq!(GenerationConfig::read(dir.path()).unwrap().unwrap().top_k, Some(5));
}

#[test]
fn values_out_of_range_are_refused() {
    says(parse(&json!({"temperature": -0.1})), &["`temperature`", "from 0 to 100", "found -0.1"]);
    says(parse(&json!({"top_p": 1.5})), &["`top_p`", "from 0 to 1", "found 1.5"]);
    says(parse(&json!({"top_k": -1})), &["`top_k`", "found -1"]);
    says(parse(&json!({"repetition_penalty": 0})), &["`repetition_penalty`", "above 0"]);
    says(parse(&json!({"max_new_tokens": 0})), &["`max_new_tokens`", "found 0"]);
}
