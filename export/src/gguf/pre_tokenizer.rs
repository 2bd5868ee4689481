//! Which of llama.cpp's pre-tokenizers cuts texts as `tokenizer.json` does. The converter knows
//! tokenizers by a hash of one text's tokens, so that any change to the vocabulary is a dead end; what
//! decides is the structure of the pre-tokenizer, which is compared here.

use formats::gguf_model::patterns::{GPT4O, QWEN35, TEKKEN, common};
use serde_json::Value;

const GPT2: &str = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const GPT2_LONG: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The value of `tokenizer.ggml.pre` for a byte-level BPE tokenizer. A structure that llama.cpp does not
/// have gets the closest one by the rule of [`closest`], and a warning.
pub(super) fn classify(json: &Value, warnings: &mut Vec<String>) -> &'static str {
    let ignore_merges = json["model"]["ignore_merges"] == true;
    let steps = steps(&json["pre_tokenizer"]);
    if let Some(name) = known(&steps, ignore_merges) {
        return name;
    }
    let name = closest(&steps, ignore_merges);
    warnings.push(format!(
        "llama.cpp has no pre-tokenizer of exactly this tokenizer's structure ({}); the closest, \
         `{name}`, is written, which may cut some texts into other tokens",
        if steps.is_empty() { "none".to_owned() } else { describe(&steps) }
    ));
    name
}

/// One step of a pre-tokenizer.
#[derive(Debug, PartialEq)]
enum Step {
    /// Every match is a piece.
    Pattern(String),
    /// Every digit, or every run of digits, is a piece.
    Digits {
        individual: bool,
    },
    /// Bytes are spelt as letters, after GPT-2's pattern if `pattern`.
    Bytes {
        pattern: bool,
    },
    Other(String),
}

/// The steps in order; a sequence inside a sequence counts as its steps.
fn steps(value: &Value) -> Vec<Step> {
    if value.is_null() {
        return Vec::new();
    }
    if let Some(list) = value["pretokenizers"].as_array() {
        return list.iter().flat_map(steps).collect();
    }
    let name = value["type"].as_str().unwrap_or("unnamed");
    let pattern = value["pattern"]["Regex"].as_str();
    let inverted = value["invert"] == true;
    let behavior = value["behavior"].as_str();
    let keeps = behavior == Some("Isolated") || (behavior == Some("Removed") && inverted);
    vec![match (name, pattern) {
        ("Split", Some(pattern)) if keeps => Step::Pattern(normal(pattern)),
        ("Digits", _) => Step::Digits { individual: value["individual_digits"] == true },
        ("ByteLevel", _) => Step::Bytes { pattern: value["use_regex"] != false },
        _ => Step::Other(name.to_owned()),
    }]
}

/// Spellings of one pattern that mean the same.
fn normal(pattern: &str) -> String {
    let pattern = pattern.replace(r"\p{N}{1}", r"\p{N}").replace('\r', r"\r").replace('\n', r"\n");
    let possessive = pattern.replace("]?+", "]?").replace("]++", "]+");
    possessive.replace(r"'(?i:[sdmt]|ll|ve|re)", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)")
}

/// The name for a structure that llama.cpp has.
fn known(steps: &[Step], ignore_merges: bool) -> Option<&'static str> {
    let plain_bytes = Step::Bytes { pattern: false };
    match steps {
        [Step::Bytes { pattern: true }] => Some("gpt-2"),
        [Step::Digits { individual: true }, Step::Bytes { pattern: true }] => Some("smollm"),
        [Step::Pattern(pattern), last] if *last == plain_bytes => {
            by_pattern(pattern, ignore_merges)
        }
        _ => None,
    }
}

fn by_pattern(pattern: &str, ignore_merges: bool) -> Option<&'static str> {
    if pattern == common(r"\p{N}") {
        return Some("qwen2");
    }
    if pattern == common(r"\p{N}{1,3}") {
        return Some(if ignore_merges { "llama-bpe" } else { "smaug-bpe" });
    }
    match pattern {
        QWEN35 => Some("qwen35"),
        GPT4O => Some("gpt-4o"),
        TEKKEN => Some("tekken"),
        GPT2 | GPT2_LONG => Some("gpt-2"),
        _ => None,
    }
}

/// For a structure that llama.cpp lacks. By how digits are cut, which costs the most when it is wrong:
/// threes as in Llama 3, one by one as in Qwen2 or, with GPT-2's words, as in SmolLM; GPT-2's own
/// pattern where only its bytes are spelt; `default` for everything else.
fn closest(steps: &[Step], ignore_merges: bool) -> &'static str {
    let patterns: Vec<&str> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Pattern(pattern) => Some(pattern.as_str()),
            _ => None,
        })
        .collect();
    let any = |what: &str| patterns.iter().any(|pattern| pattern.contains(what));
    let single = steps.contains(&Step::Digits { individual: true });
    let gpt2_words = steps.contains(&Step::Bytes { pattern: true });
    if any(r"\p{N}{1,3}") || any(r"\d{1,3}") {
        if ignore_merges { "llama-bpe" } else { "smaug-bpe" }
    } else if any(r"[^\r\n\p{L}\p{N}]?") {
        "qwen2"
    } else if single && gpt2_words {
        "smollm"
    } else if gpt2_words || any(r" ?\p{L}+") {
        "gpt-2"
    } else {
        "default"
    }
}

fn describe(steps: &[Step]) -> String {
    let each = steps.iter().map(|step| match step {
        Step::Pattern(pattern) => {
            let short: String = pattern.chars().take(40).collect();
            format!("Split on {short}")
        }
        Step::Digits { individual } => format!("Digits, individual: {individual}"),
        Step::Bytes { pattern } => format!("ByteLevel, use_regex: {pattern}"),
        Step::Other(name) => name.clone(),
    });
    each.collect::<Vec<_>>().join(" > ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn split(pattern: &str) -> Value {
        json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
    }

    fn bytes(use_regex: bool) -> Value {
        json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": use_regex})
    }

    /// The name, and whether there was a warning.
    fn classified(steps: &[Value], ignore_merges: bool) -> (&'static str, bool) {
        let json = json!({
            "model": {"type": "BPE", "ignore_merges": ignore_merges},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        });
        let mut warnings = Vec::new();
        (classify(&json, &mut warnings), !warnings.is_empty())
    }

    #[test]
    fn known_structures_get_their_names() {
        let qwen = common(r"\p{N}");
        let llama = common(r"\p{N}{1,3}");
        let digits = json!({"type": "Digits", "individual_digits": true});
        assert_eq!(classified(&[split(&qwen), bytes(false)], false), ("qwen2", false));
        assert_eq!(classified(&[split(&llama), bytes(false)], true), ("llama-bpe", false));
        assert_eq!(classified(&[split(&llama), bytes(false)], false), ("smaug-bpe", false));
        assert_eq!(classified(&[split(GPT4O), bytes(false)], true), ("gpt-4o", false));
        assert_eq!(classified(&[bytes(true)], false), ("gpt-2", false));
        assert_eq!(classified(&[digits, bytes(true)], false), ("smollm", false));
    }

    #[test]
    fn spellings_of_one_pattern_are_one() {
        let odd = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        assert_eq!(classified(&[split(odd), bytes(false)], false), ("qwen2", false));
    }

    #[test]
    fn an_unknown_structure_gets_the_closest_and_a_warning() {
        let threes = split(r"\p{N}{1,3}|\w+");
        assert_eq!(classified(&[threes, bytes(false)], true), ("llama-bpe", true));
        let words = split(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|.");
        assert_eq!(classified(&[words, bytes(false)], false), ("qwen2", true));
        let spaces = json!({"type": "WhitespaceSplit"});
        assert_eq!(classified(&[spaces.clone(), bytes(true)], false), ("gpt-2", true));
        assert_eq!(classified(&[spaces], false), ("default", true));
        let mut warnings = Vec::new();
        assert_eq!(classify(&json!({}), &mut warnings), "default");
        assert!(warnings[0].contains("(none)"), "{warnings:?}");
    }
}
