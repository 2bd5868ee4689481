//! The one binary of integration tests: linked once, a module a topic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may panic, and says why it was skipped"
)]

mod adapters_golden;
mod adapters_hostile;
mod adapters_registry;
mod api;
mod bench;
mod cli;
mod countdown;
mod datasets;
mod dequantize;
mod engine;
mod eval;
mod export;
mod export_ollama;
mod extract;
mod fake_hub;
mod gguf;
mod gguf_readers;
mod gguf_source;
mod imatrix;
mod inspect;
mod interrupted;
mod merge;
mod merge_command;
mod model_golden;
mod proof;
mod proof_adapter;
mod proof_behaviour;
mod proof_gguf;
mod push;
mod sandbox_command;
mod template;
mod tidy;
mod tiny;
mod tokenizer;
mod train_families;
mod train_golden;
mod train_resume;
