//! A line of `samples.jsonl` without its texts, as statistics and the next run need it: nothing is
//! copied that can be counted instead, and what a text contains cannot keep its line from being read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;

use crate::lossy::Characters;
use crate::record::Usage;

/// A line of `samples.jsonl`, [`crate::Sample`] without its texts.
#[derive(Deserialize)]
pub(crate) struct SampleLine<'a> {
    /// The sample's key.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// The problem's name.
    #[serde(borrow)]
    pub problem: Cow<'a, str>,
    /// The arm's label.
    #[serde(borrow)]
    pub arm: Cow<'a, str>,
    /// Which of the problem's samples.
    pub index: u32,
    /// The answer's length.
    #[serde(default)]
    pub completion: Characters,
    /// Why the answer ended.
    #[serde(default, borrow)]
    pub finish: Option<Cow<'a, str>>,
    /// Tokens and time.
    #[serde(default)]
    pub usage: Usage,
    /// What the grader said.
    #[serde(default, borrow)]
    pub grade: Option<GradeLine<'a>>,
    #[serde(default, borrow)]
    reason: Option<Cow<'a, str>>,
}

/// A grade without its texts.
#[derive(Deserialize)]
pub(crate) struct GradeLine<'a> {
    /// The measures, by name.
    pub measures: BTreeMap<String, Option<f64>>,
    /// The verdict.
    #[serde(borrow)]
    pub verdict: Cow<'a, str>,
}

impl SampleLine<'_> {
    /// The verdict, or why the sample failed.
    pub(crate) fn word(&self) -> Result<&str, String> {
        match (&self.grade, &self.reason) {
            (Some(grade), _) => Ok(&grade.verdict),
            (None, Some(reason)) => Ok(reason),
            (None, None) => Err("a sample with neither a grade nor a reason".to_owned()),
        }
    }

    /// The value of a measure; NaN where the sample has none.
    pub(crate) fn value(&self, measure: &str) -> f64 {
        let measures = self.grade.as_ref().map(|grade| &grade.measures);
        measures.and_then(|all| all.get(measure).copied().flatten()).unwrap_or(f64::NAN)
    }

    /// Equal for equal keys.
    pub(crate) fn key_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use rewards::Grade;

    use super::*;
    use crate::record::{Sample, Status};

    #[test]
    fn it_reads_what_a_sample_is_written_as() {
        let grade = Grade {
            measures: BTreeMap::from([("strict".to_owned(), 1.0)]),
            verdict: "correct".to_owned(),
            ..Grade::default()
        };
        let usage =
            Usage { prompt_tokens: Some(3), completion_tokens: Some(5), seconds: Some(0.25) };
        let status = Status::Graded {
            completion: "häß\u{0}lich😀".to_owned(),
            finish: "length".to_owned(),
            usage,
            grade,
        };
        let sample = Sample {
            key: "k".to_owned(),
            problem: "p".to_owned(),
            arm: "base".to_owned(),
            index: 2,
            seed: 9,
            status,
        };
        let text = serde_json::to_string(&sample).unwrap();
        let line: SampleLine = serde_json::from_str(&text).unwrap();
        assert_eq!((&*line.problem, &*line.arm, line.index), ("p", "base", 2));
        assert_eq!((line.completion.0, line.finish.as_deref()), (9, Some("length")));
        assert_eq!((line.usage, line.word()), (usage, Ok("correct")));
        assert_eq!(line.value("strict"), 1.0);
        assert!(line.value("other").is_nan());
    }

    #[test]
    fn a_lone_surrogate_does_not_lose_the_line() {
        let text = r#"{"key":"k","problem":"p","arm":"a","index":0,"status":"graded",
            "completion":"x\ud800y","finish":"stop","grade":{"measures":{},"verdict":"v","detail":"\udfff"}}"#;
        let line: SampleLine = serde_json::from_str(text).unwrap();
        assert_eq!(line.completion.0, 3);
    }
}
