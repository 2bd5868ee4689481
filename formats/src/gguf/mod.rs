//! GGUF, llama.cpp's container: typed metadata in order, then tensors in ggml's block types. Files are
//! memory-mapped and checked whole when they are opened; writing streams the tensors' bytes.
//!
//! Layout (little-endian): `GGUF`, u32 version, u64 tensors, u64 metadata entries, the entries, one
//! record a tensor, padding to the alignment, then the tensors' bytes, each padded to the alignment.
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
//!
//! What is left out: what the metadata mean, and what is inside a block.

mod cursor;
mod file;
mod header;
mod metadata;
mod names;
mod tensor_type;
mod value;
mod write;

pub use file::GgufFile;
pub use header::GgufTensor;
pub use metadata::Metadata;
pub use names::tensor_name;
pub use tensor_type::TensorType;
pub use value::{Array, Value, ValueType};
pub use write::{GgufLayout, NewTensor, write_gguf};

/// The alignment of tensors where `general.alignment` says nothing else.
pub const DEFAULT_ALIGNMENT: usize = 32;
