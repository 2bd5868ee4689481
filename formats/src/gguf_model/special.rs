//! `tokenizer_config.json` and `generation_config.json`: special tokens, chat template, sampling.

use serde_json::{Map, Value, json};

use super::decimal;
use crate::gguf::{GgufFile, Metadata};

/// Keys of special tokens: GGUF's and Hugging Face's.
const SPECIAL: [(&str, &str); 4] = [
    ("bos", "bos_token"),
    ("eos", "eos_token"),
    ("unknown", "unk_token"),
    ("padding", "pad_token"),
];

/// The `tokenizer_config.json`, the chat templates in it.
pub fn tokenizer_config_json(file: &GgufFile) -> Value {
    let metadata = file.metadata();
    let tokens = metadata.strings("tokenizer.ggml.tokens").unwrap_or_default();
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| {
        config.insert(key.to_owned(), value);
    };
    for kind in ["bos", "eos"] {
        if let Some(add) = metadata.bool(&format!("tokenizer.ggml.add_{kind}_token")) {
            set(&format!("add_{kind}_token"), json!(add));
        }
    }
    for (ours, theirs) in SPECIAL {
        if let Some(token) = special(metadata, tokens, ours) {
            set(theirs, json!(token));
        }
    }
    if let Some(templates) = templates(metadata) {
        set("chat_template", templates);
    }
    set("clean_up_tokenization_spaces", json!(false));
    set("tokenizer_class", json!("PreTrainedTokenizerFast"));
    Value::Object(config)
}

/// The chat template; where others stand beside it, all of them by their names.
fn templates(metadata: &Metadata) -> Option<Value> {
    let default = metadata.str("tokenizer.chat_template")?;
    let entry = |name: &str, template: &str| json!({"name": name, "template": template});
    let others = metadata.iter().filter_map(|(key, _)| {
        let name = key.strip_prefix("tokenizer.chat_template.")?;
        Some(entry(name, metadata.str(key)?))
    });
    let mut all = vec![entry("default", default)];
    all.extend(others);
    Some(if all.len() == 1 { json!(default) } else { Value::Array(all) })
}

/// The text of a special token.
pub(super) fn special<'a>(
    metadata: &Metadata,
    tokens: &'a [String],
    kind: &str,
) -> Option<&'a str> {
    let id = metadata.unsigned(&format!("tokenizer.ggml.{kind}_token_id"))?;
    tokens.get(usize::try_from(id).ok()?).map(String::as_str)
}

/// The `generation_config.json`: every token that ends a text, and how to sample.
pub fn generation_config_json(file: &GgufFile) -> Value {
    let metadata = file.metadata();
    let mut config = Map::new();
    let id = |kind: &str| metadata.unsigned(&format!("tokenizer.ggml.{kind}_token_id"));
    if let Some(bos) = id("bos") {
        config.insert("bos_token_id".to_owned(), json!(bos));
    }
    let mut ends: Vec<u64> = Vec::new();
    for end in ["eos", "eot", "eom"].into_iter().filter_map(id) {
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
    if !ends.is_empty() {
        config.insert("eos_token_id".to_owned(), json!(ends));
    }
    if let Some(pad) = id("padding") {
        config.insert("pad_token_id".to_owned(), json!(pad));
    }
    for (ours, theirs) in [
        ("temp", "temperature"),
        ("top_p", "top_p"),
        ("min_p", "min_p"),
        ("penalty_repeat", "repetition_penalty"),
    ] {
        if let Some(value) = decimal(metadata, &format!("general.sampling.{ours}")) {
            config.insert(theirs.to_owned(), json!(value));
        }
    }
    if let Some(top_k) = metadata.unsigned("general.sampling.top_k") {
        config.insert("top_k".to_owned(), json!(top_k));
    }
    let samples = ["temperature", "top_p", "top_k"].iter().any(|key| config.contains_key(*key));
    if samples {
        config.insert("do_sample".to_owned(), json!(true));
    }
    Value::Object(config)
}
