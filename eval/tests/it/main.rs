//! The crate's integration tests, linked once, a module a topic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "in tests a panic is the report, and figures may be asked for with --nocapture"
)]

mod bundled;
mod coverage;
mod data;
mod folder;
mod judgement;
mod judges;
mod page;
mod part;
mod preferences;
mod report;
mod runner;
mod scores;
mod server;
mod shares;
mod statistics;
mod sums;
mod trouble;
