//! The lines and files of an evaluation's folder, as they are on disk. Leaves out reading and
//! writing them.

use std::collections::BTreeMap;

use rewards::Grade;
pub use rewards::{Measure, MeasureKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `run.json`: what was asked, of whom, under which protections. Two folders whose runs differ in
/// more than `started`, `shard`, `server`, `version`, `protections`, `not_sent` and the judge's server are
/// not parts of one evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The suite's name.
    pub suite: String,
    /// SHA-256 of `suite.toml` as it was.
    pub suite_digest: String,
    /// The file or data set the problems came from, as the user named it.
    pub data: String,
    /// SHA-256 over the problems and their questions, in order.
    pub data_digest: String,
    /// Which of the suite's prompts the questions were made with.
    #[serde(default)]
    pub prompt: String,
    /// The arms, in the order they were named.
    pub arms: Vec<Arm>,
    /// The arm the others are compared with: one of `arms`, by label.
    pub reference: String,
    /// How answers were drawn.
    pub sampling: Sampling,
    /// Whether the answers were given in a file: then nobody knows how they were drawn, and of
    /// `sampling` only the number of samples means anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given: bool,
    /// Fields of requests that the server refused by name (`seed`, `top_p`, `top_k`) and that were not
    /// sent then: its own defaults held, whatever `sampling` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_sent: Vec<String>,
    /// What is measured, headline first.
    pub measures: Vec<Measure>,
    /// The k of pass@k to report; empty for a suite without pass@k.
    pub k: Vec<usize>,
    /// The names of the groups that problems are broken down by, such as `difficulty`.
    pub groups: Vec<String>,
    /// The server's URL, without credentials.
    pub server: String,
    /// What was active around graded programs (the sandbox's own record); null where none ran.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub protections: Value,
    /// Who compared the answers, where a judge or a reward model did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeRecord>,
    /// This program's version.
    pub version: String,
    /// When the run began, RFC 3339.
    pub started: String,
    /// `i/N` where only a share of the problems was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
}

/// Who compared answers, and what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeRecord {
    /// The `model` of its requests.
    pub model: String,
    /// Its server's URL, without credentials.
    pub server: String,
    /// SHA-256 of the template that a pairwise judge is asked with; none for a reward model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_digest: Option<String>,
}

/// One contestant of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// The name in tables and samples.
    pub label: String,
    /// The `model` of its requests.
    pub model: String,
    /// The adapter's generation as the server named it, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// The generation of the base, or of the base that the adapter is worn by, where the server names
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_generation: Option<String>,
}

/// How answers are drawn: OpenAI's names and meanings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Answers for each problem and arm.
    pub samples: usize,
    /// Temperature; 0 is greedy.
    pub temperature: f64,
    /// Nucleus share.
    pub top_p: f64,
    /// Sent where it is not the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Most tokens of one answer.
    pub max_tokens: usize,
    /// What each request's own seed is derived from.
    pub seed: u64,
}

/// One line of `problems.jsonl`: what a report shows of a problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProblemLine {
    /// The problem's name, unique in its data.
    pub id: String,
    /// SHA-256 over its record and what is asked of it: a folder grows only by problems beside those
    /// that it has.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The groups it belongs to: `difficulty` -> `easy`.
    #[serde(default)]
    pub groups: BTreeMap<String, String>,
    /// Its day, `2024-08-01`, where the suite's problems have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// What was asked: the messages, or a text.
    pub prompt: Value,
    /// The answer or the tests, cut to what a reader would look at; null where there is none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub reference: Value,
}

/// One line of `samples.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What this sample is the answer to: a hash over problem, prompt, arm's generation, sampling,
    /// seed and index. One key, one answer, wherever it was made.
    pub key: String,
    /// [`ProblemLine::id`].
    pub problem: String,
    /// [`Arm::label`].
    pub arm: String,
    /// Which of the problem's samples, from 0.
    pub index: usize,
    /// The request's seed.
    pub seed: u64,
    /// Whether there is an answer.
    #[serde(flatten)]
    pub status: Status,
}

/// Whether a sample has an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// Answered and graded.
    Graded {
        /// The answer's text.
        completion: String,
        /// Why it ended: `stop`, `length` ...; `unknown` where nobody said, `refusal` where the server
        /// handed out a refusal in place of an answer, `scored` where nothing was written.
        finish: String,
        /// Tokens and time.
        usage: Usage,
        /// What the grader said.
        grade: Grade,
    },
    /// Answered, but the grader or the judge failed, or the run ended before it was graded: no verdict on
    /// the arm, never counted as wrong. The next run grades what is here, and asks nobody for it.
    Ungraded {
        /// Why, in a sentence.
        reason: String,
        /// The answer's text.
        completion: String,
        /// Why it ended.
        finish: String,
        /// Tokens and time.
        usage: Usage,
    },
    /// The server failed, after every retry: no verdict on the arm, never counted as wrong, asked again
    /// by the next run.
    Failed {
        /// Why, in a sentence.
        reason: String,
    },
}

/// What one answer cost, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u32>,
    /// Tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u32>,
    /// Seconds from the request to the whole answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}
