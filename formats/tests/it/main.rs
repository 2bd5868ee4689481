//! The crate's integration tests, linked once.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod checkpoints;
mod configs;
mod generation;
mod gguf;
mod golden;
mod hostile;
mod peft_matching;
mod peft_refusals;
mod peft_written;
mod random;
mod safetensors_bytes;
mod safetensors_shards;
mod sentences;
mod table;
mod whole_files;
