//! The one binary of integration tests, so that the program is linked once; each module is a topic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects by panicking"
)]

mod model_golden;
mod tiny;
