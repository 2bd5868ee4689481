//! The crate from outside, one module a subject.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod folder;
mod report;
mod runner;
mod scores;
mod server;
mod shares;
mod sums;
mod trouble;
