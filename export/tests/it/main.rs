//! The crate's integration tests, linked once.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod gguf;
mod gguf_adapter;
mod gguf_importance;
mod gguf_mixtures;
mod gguf_vocabulary;
mod ollama;
mod ollama_templates;
mod quantized;
mod quantized_hostile;
mod tiny;
