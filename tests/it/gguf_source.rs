//! GGUF files by llama.cpp's converter, read back as the Hugging Face models they were made from. The
//! files and what they were are recorded by `tests/golden/gguf_source/record.py`: tensors to the bit,
//! settings, and the token ids of texts by the tokenizer that the model began with.

use std::path::{Path, PathBuf};

use export::{GgufWeights, Weights, open_weights};
use formats::ModelConfig;
use formats::digest::sha256;
use serde_json::{Map, Value};
use wardrobe::datasets::Rng;
use wardrobe::model::Tokenizer;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf_source")
}

fn cases() -> Map<String, Value> {
    let text = std::fs::read_to_string(golden().join("cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn open(name: &str) -> GgufWeights {
    let path = golden().join(format!("{name}.gguf"));
    GgufWeights::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn tensors_come_back_to_the_bit() {
    for (name, case) in cases() {
        let weights = open_weights(&golden().join(format!("{name}.gguf"))).unwrap();
        let expected = case["tensors"].as_object().unwrap();
        let mut names: Vec<&str> = weights.tensors().iter().map(|t| t.name.as_str()).collect();
        names.sort_unstable();
        let mut theirs: Vec<&str> = expected.keys().map(String::as_str).collect();
        theirs.sort_unstable();
        assert_eq!(names, theirs, "{name}");
        let mut compared = 0;
        for info in weights.tensors() {
            let expected = &expected[&info.name];
            assert_eq!(serde_json::json!(info.shape), expected["shape"], "{name}: {}", info.name);
            let mut values = vec![0.0_f32; info.elements()];
            let middle = info.rows() / 2;
            let (first, second) = values.split_at_mut(middle * info.columns());
            weights.read_rows(info, 0..middle, first).unwrap();
            weights.read_rows(info, middle..info.rows(), second).unwrap();
            let Some(digest) = expected["sha256"].as_str() else { continue };
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert_eq!(sha256(&bytes), digest, "{name}: {}", info.name);
            compared += 1;
        }
        assert!(compared >= 3, "{name}: {compared} tensors were compared");
    }
}

#[test]
fn settings_come_back() {
    for (name, case) in cases() {
        let path = golden().join("config.json");
        let mut expected = ModelConfig::parse(&case["config"].to_string(), &path).unwrap();
        let weights = open(&name);
        let mut found = weights.config().clone();
        if name == "qwen2" {
            // Stored in Q8_0: the type it once had is not in the file.
            assert_eq!(found.dtype, Some(formats::Dtype::BF16));
            expected.dtype = found.dtype;
        }
        found.initializer_range = expected.initializer_range;
        // The tokenizer's own, which the model's settings do not repeat.
        expected.pad_token_id = found.pad_token_id;
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn tokenizers_cut_texts_as_they_did() {
    for (name, case) in cases() {
        let dir = tempfile::tempdir().unwrap();
        for (file, json) in open(&name).sidecars().unwrap() {
            std::fs::write(dir.path().join(file), json.to_string()).unwrap();
        }
        let tokenizer = Tokenizer::load(dir.path()).unwrap();
        let texts: Vec<String> = serde_json::from_value(case["texts"].clone()).unwrap();
        let ids: Vec<Vec<u32>> = serde_json::from_value(case["ids"].clone()).unwrap();
        for (text, expected) in texts.iter().zip(&ids) {
            let found = tokenizer.encode(text, true).unwrap();
            assert_eq!(&found, expected, "{name}: {text:?}");
        }
        let config: Value = serde_json::from_slice(
            &std::fs::read(dir.path().join("tokenizer_config.json")).unwrap(),
        )
        .unwrap();
        let template = config["chat_template"].as_str();
        assert_eq!(template.is_some(), name != "llama2", "{name}: {template:?}");
    }
}

/// Reads everything that a file stands for.
fn read_all(path: &Path) -> Result<(), export::Error> {
    let weights = GgufWeights::open(path)?;
    for info in weights.tensors() {
        let mut values = vec![0.0; info.elements()];
        weights.read_rows(info, 0..info.rows(), &mut values)?;
    }
    weights.sidecars().map(|_| ())
}

#[test]
fn damaged_files_are_refused_or_read_but_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.gguf");
    let mut random = Rng::new(7, 0);
    let mut refused = 0;
    for name in cases().keys() {
        let whole = std::fs::read(golden().join(format!("{name}.gguf"))).unwrap();
        for round in 0..150 {
            let mut bytes = whole.clone();
            if round % 10 == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            // Names, counts and settings stand in the first half.
            for _ in 0..=round % 4 {
                let at = random.below(bytes.len().max(2) / 2);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.next_u64().to_le_bytes()[0];
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            if let Err(error) = read_all(&path) {
                assert!(!error.to_string().contains('\n'), "{name}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 50, "only {refused} damaged files were refused");
}
