//! Integration tests: one binary, so that the program is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may panic, and says why it was skipped"
)]

mod countdown;
mod datasets;
mod template;
mod tokenizer;
