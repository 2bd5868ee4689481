//! The texts of a line of `samples.jsonl`, whatever they contain: halves of surrogate pairs become
//! U+FFFD, and a detail that cannot be read is left out rather than losing the answer.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::lossy::Text;

/// The texts of a sample.
pub(crate) struct Texts {
    /// The answer; empty for a failed sample.
    pub completion: String,
    /// Why it ended.
    pub finish: String,
    /// What was taken as the answer.
    pub answer: Option<String>,
    /// What the grader shows.
    pub detail: Value,
}

/// Reads the texts of a line.
pub(crate) fn read_text(line: &[u8]) -> Result<Texts, serde_json::Error> {
    if let Ok(texts) = serde_json::from_slice::<Line<Value>>(line) {
        let (grade, detail) = split(texts.grade, |detail| detail);
        return Ok(Texts {
            completion: texts.completion.0,
            finish: texts.finish.0,
            answer: grade,
            detail,
        });
    }
    let texts = serde_json::from_slice::<Line<IgnoredAny>>(line)?;
    let (answer, detail) = split(texts.grade, |_| Value::Null);
    Ok(Texts { completion: texts.completion.0, finish: texts.finish.0, answer, detail })
}

fn split<D>(grade: Option<Grade<D>>, detail: impl FnOnce(D) -> Value) -> (Option<String>, Value) {
    match grade {
        Some(grade) => (grade.answer.map(|text| text.0), detail(grade.detail)),
        None => (None, Value::Null),
    }
}

#[derive(Deserialize)]
#[serde(bound = "D: DeserializeOwned + Default")]
struct Line<D> {
    #[serde(default)]
    completion: Text,
    #[serde(default)]
    finish: Text,
    #[serde(default)]
    grade: Option<Grade<D>>,
}

#[derive(Deserialize)]
#[serde(bound = "D: DeserializeOwned + Default")]
struct Grade<D> {
    #[serde(default)]
    answer: Option<Text>,
    #[serde(default)]
    detail: D,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_surrogate_pairs_do_not_lose_the_answer() {
        let line = br#"{"completion":"x\ud800y","finish":"stop","grade":{"answer":"\udc00","detail":{"t":"\ud800"}}}"#;
        let texts = read_text(line).unwrap();
        assert!(texts.completion.starts_with('x') && texts.completion.ends_with('y'));
        assert!(texts.completion.contains('\u{fffd}') && texts.answer.is_some());
        assert_eq!(texts.detail, Value::Null);
        let texts = read_text(br#"{"completion":"x","grade":{"detail":[1]}}"#).unwrap();
        assert_eq!(texts.detail, serde_json::json!([1]));
    }
}
