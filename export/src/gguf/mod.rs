//! A model as one GGUF file for llama.cpp: names, order, block types and metadata as its own
//! `convert_hf_to_gguf.py` and `llama-quantize` give them, in one streamed pass and with the same bytes.
//!
//! What differs on purpose: a head that is a copy of the embedding is left out, every token that ends an
//! answer is named, and a tokenizer that nobody has seen before is classified by its structure.
//! Left out: mixtures of experts, and the types with a codebook (IQ*).

mod adapter;
mod adapter_file;
mod card;
mod choice;
mod decoder;
mod file_type;
mod importance;
mod importance_file;
mod pre_tokenizer;
mod provenance;
mod rope;
mod special;
mod tensors;
mod tokenizer;
mod vocabulary;
mod write;

pub use adapter::write_gguf_adapter;
pub use adapter_file::{AdapterPair, read_gguf_adapter};
pub use choice::{Sizes, choose};
pub use file_type::FileType;
pub use importance::Importance;
pub use importance_file::{ColumnSums, NewImportance, write_importance};
pub use provenance::{Origin, Provenance};
pub use write::{GgufModel, GgufOptions, GgufReport, WrittenTensor, write_gguf};
