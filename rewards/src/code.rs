//! Grading of Python programs against tests: LiveCodeBench, HumanEval, MBPP.
//!
//! One idea, one module:
//! * [`problem`]: the common form of a problem, and its choice by date, platform, difficulty;
//! * [`livecodebench`]: LiveCodeBench's records, with private tests unpacked within bounds;
//! * [`pickle`]: a pickle of one string, read without running it;
//! * [`extract`]: the program in a reply, by the official rule or as a reader would;
//! * [`tokens`] and [`json`]: whether an output or a value is the expected one.
//!
//! Leaves out prompts (data of a suite) and the sandbox that programs run in.

pub mod extract;
pub mod json;
pub mod livecodebench;
pub mod pickle;
pub mod problem;
pub mod tokens;

pub use extract::Extraction;
pub use problem::{CodeProblem, Kind, Moment, Selection, Test};
