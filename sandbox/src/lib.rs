//! An untrusted program under limits: on Linux without Docker and without root, by namespaces,
//! Landlock, seccomp and resource limits, each probed for and recorded in what it protected.
//!
//! What is left out: any knowledge of what the program is for. Comparing its output with an answer
//! is the caller's, on this side of the wall.

mod limits;
mod outcome;

pub use limits::{Limits, Strictness};
pub use outcome::{End, Outcome};
