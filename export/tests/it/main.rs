//! The one binary of this crate's integration tests: linked once, a module a topic.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod ollama;
mod ollama_templates;
