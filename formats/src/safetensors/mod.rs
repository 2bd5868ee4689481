//! Safetensors: named tensors in one file or in shards. Files are memory-mapped and checked whole when
//! they are opened; nothing is copied until a tensor's values are asked for.
//!
//! Layout: 8 bytes little-endian length `n`, `n` bytes of JSON header, then the tensors' bytes without
//! gaps. Format: <https://github.com/huggingface/safetensors#format>.

mod checkpoint;
mod dtype;
mod file;
mod header;
mod round;
mod shards;
mod view;
mod write;

pub use checkpoint::Checkpoint;
pub use dtype::Dtype;
pub use file::SafetensorsFile;
pub use round::round_to;
pub use shards::{CheckpointWriter, TensorPlan};
pub use view::TensorView;
pub use write::{NamedTensor, write_safetensors};
