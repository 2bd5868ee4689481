//! Integration tests of the graders, in one binary: against what the benchmarks' own code says, and
//! against attacks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod code;
mod tinyzero;
