//! The one binary of integration tests: linked once, a module a topic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects by panicking"
)]

mod adapters_golden;
mod countdown;
mod model_golden;
mod template;
mod tidy;
mod tiny;
mod tokenizer;
mod train_golden;
mod train_resume;
