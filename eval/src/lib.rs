//! Suites against any OpenAI-compatible server: problems are asked of several arms, each answer is a
//! line of a file, grades become rates with honest intervals, and a folder becomes a report.
//!
//! An evaluation is a folder: `run.json` ([`Run`]), `problems.jsonl` ([`ProblemLine`]),
//! `samples.jsonl` ([`Sample`]), and what is made from them alone: `results.json`, `report.md`,
//! `report.html`.
//!
//! What is left out: our own engine and server (an evaluation knows a URL), the grading itself
//! (`rewards`), arguments and progress bars (the command line's).

mod arms;
mod ask;
mod bundled;
mod client;
mod clock;
mod differences;
mod digest;
mod error;
mod evaluate;
mod event;
mod folder;
mod given;
mod grading;
mod growth;
mod home;
mod judge;
mod key;
mod lines;
mod lossy;
mod merge;
mod place;
mod plan;
mod problems;
mod protection;
mod question;
mod record;
mod records;
pub mod report;
mod run;
mod sample_line;
mod shard;
pub mod statistics;
mod stop;
mod store;
mod suite;

pub use arms::ArmSpec;
pub use client::{ServerConfig, is_on_this_machine, same_origin};
pub use clock::is_date;
pub use error::{Error, Unreadable};
pub use evaluate::{Answers, SamplingFlags, Settings, evaluate, find_suite};
pub use event::{Ended, Event};
pub use judge::JudgeConfig;
pub use merge::{Merged, merge};
pub use place::Place;
pub use problems::Selection;
pub use record::{
    Arm, JudgeRecord, Measure, MeasureKind, ProblemLine, Run, Sample, Sampling, Status, Usage,
};
pub use shard::Shard;
pub use stop::Stop;
pub use suite::{
    Data, Group, JudgeKind, Judging, Listed, Message, Part, Prompt, SamplingDefaults, Suite, Task,
    bundled_suites,
};
