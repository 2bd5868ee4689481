//! Suites against any OpenAI-compatible server: problems are asked of several arms, each answer is a
//! line of a file, grades become rates with honest intervals, and a folder becomes a report.
//!
//! An evaluation is a folder: `run.json` ([`Run`]), `problems.jsonl` ([`ProblemLine`]),
//! `samples.jsonl` ([`Sample`]), and what is made from them alone: `results.json`, `report.md`,
//! `report.html`.
//!
//! What is left out: our own engine and server (an evaluation knows a URL), the grading itself
//! (`rewards`), arguments and progress bars (the command line's).

mod record;
pub mod report;
pub mod statistics;

pub use record::{Arm, Measure, MeasureKind, ProblemLine, Run, Sample, Sampling, Status, Usage};
