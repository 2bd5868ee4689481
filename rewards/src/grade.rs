//! What a grader says of one completion.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a grader says of one completion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grade {
    /// Each measure's value by name (`strict`, `tinyzero`, `format`, `lcb`, `real` ...), 0 to 1 where
    /// it is a verdict. A suite says which of them is its headline.
    pub measures: BTreeMap<String, f64>,
    /// What happened, in one or two words of a fixed set (`correct`, `wrong value`, `no answer`,
    /// `time limit` ...), to be counted.
    pub verdict: String,
    /// What was taken as the answer, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What a reader would look at: tests with their outcomes, reasons. Null where there is nothing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

/// Why a completion could not be graded: never the completion's fault, so it counts for nothing and
/// is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The problem itself cannot be graded; the reason in a sentence.
    #[error("{0}")]
    Problem(String),
    /// What grades stopped working (a sandbox that does not start, a judge that does not answer).
    #[error("{0}")]
    Grader(String),
}
