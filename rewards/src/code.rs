//! Grading of Python programs against tests: LiveCodeBench, HumanEval, MBPP.
//!
//! One idea, one module:
//! * [`problem`]: the common form of a problem;
//! * [`livecodebench`] and [`functions`]: the benchmarks' records; private tests stay [`packed`], in a
//!   file, and are unpacked within bounds, [`pickle`] reads a pickle of one string without running it;
//! * [`extract`]: the program in a reply, by the official rule or as a reader would;
//! * [`tokens`] and [`json`]: whether an output or a value is the expected one;
//! * [`real`]: the verdict of a contest's judge, a process a test, answers outside;
//! * [`lcb`]: the verdict of LiveCodeBench's own checker, to the letter.
//!
//! [`grade`] puts both verdicts side by side. Leaves out prompts (data of a suite) and the sandbox
//! that programs run in.

pub mod extract;
pub mod functions;
mod graded;
mod harness;
pub mod json;
pub mod lcb;
pub mod livecodebench;
pub mod packed;
pub mod pickle;
pub mod problem;
pub mod real;
mod recent;
mod settings;
pub mod tokens;

pub use extract::{Extraction, official, robust};
pub use graded::grade;
pub use problem::{CodeProblem, Kind, Test, Tests};
pub use settings::{Checker, CodeSettings, Format};
