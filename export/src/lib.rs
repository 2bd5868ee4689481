//! Base and adapters to final packages, streamed: files in, files out, no engine.
//!
//! Everything that writes weights reads them through one seam, [`Weights`]: named matrices handed out
//! as f32, a few rows at a time, whatever they are stored as. A dense checkpoint, a quantized one and
//! a base with adapters merged on are each one implementation, so that any of them becomes any package
//! in one pass, in bounded memory.
//!
//! What is left out: running the model (the proof that a package equals what was served lives with
//! those who can run both), and downloading.

mod blocks;
mod checkpoint;
mod dense;
mod dequantize;
mod error;
pub mod extract;
mod folder;
pub mod front_matter;
pub mod gguf;
mod gguf_weights;
pub mod license;
pub mod merge;
mod model;
pub mod ollama;
mod open;
mod quantized;
mod weights;

pub use checkpoint::{Rows, Storage, Written, write_checkpoint};
pub use dense::DenseWeights;
pub use dequantize::{DequantizeReport, DequantizeRequest, dequantize};
pub use error::{Error, Result};
pub use folder::{
    FileDigest, carry_along, combined_digest, file_digests, model_digest, write_config,
};
pub use gguf_weights::GgufWeights;
pub use merge::Merged;
pub use model::{Model, Sidecars};
pub use open::open_weights;
pub use quantized::QuantizedWeights;
pub use weights::{TensorInfo, Weights};
