//! How texts are cut before byte-pair encoding, by llama.cpp's names, as `tokenizer.json` says it.

use serde_json::{Value, json};

use super::patterns::{self, GPT4O, QWEN35, TEKKEN};

/// How one family of byte-level tokenizers cuts texts.
pub(super) struct Rules {
    /// `normalizer`.
    pub(super) normalizer: Value,
    /// `pre_tokenizer`.
    pub(super) pre_tokenizer: Value,
    /// Whether a piece that is a token is taken whole.
    pub(super) ignore_merges: bool,
}

/// The rules of `tokenizer.ggml.pre`; `None` for names that this table lacks.
pub(super) fn rules(name: &str) -> Option<Rules> {
    let nfc = || json!({"type": "NFC"});
    let common = |digits: &str| split(&patterns::common(digits));
    let (normalizer, pre_tokenizer, ignore_merges) = match name {
        "qwen2" | "deepseek-r1-qwen" | "megrez" => (nfc(), common(r"\p{N}"), false),
        "qwen35" => (nfc(), split(QWEN35), false),
        "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "pixtral" => {
            (Value::Null, common(r"\p{N}{1,3}"), true)
        }
        "smaug-bpe" => (Value::Null, common(r"\p{N}{1,3}"), false),
        "tekken" => (Value::Null, split(TEKKEN), true),
        "gpt-4o" => (Value::Null, split(GPT4O), true),
        "gpt-2" | "phi-2" | "jina-es" | "default" => (Value::Null, byte_level(true), false),
        "smollm" | "starcoder" | "refact" | "command-r" => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            (Value::Null, sequence(vec![digits, byte_level(true)]), false)
        }
        _ => return None,
    };
    Some(Rules { normalizer, pre_tokenizer, ignore_merges })
}

fn split(pattern: &str) -> Value {
    let split = json!({
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": false,
    });
    sequence(vec![split, byte_level(false)])
}

fn sequence(steps: Vec<Value>) -> Value {
    json!({"type": "Sequence", "pretokenizers": steps})
}

/// Bytes spelt as letters, cut by GPT-2's pattern if `use_regex`.
pub(super) fn byte_level(use_regex: bool) -> Value {
    json!({
        "type": "ByteLevel",
        "add_prefix_space": false,
        "trim_offsets": false,
        "use_regex": use_regex,
    })
}
