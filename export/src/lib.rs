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
mod dense;
mod digest;
mod error;
pub mod gguf;
mod gguf_weights;
mod merge;
pub mod ollama;
mod open;
mod quantized;
mod weights;

pub use dense::DenseWeights;
pub use digest::{hexadecimal, model_digest};
pub use error::{Error, Result};
pub use gguf_weights::GgufWeights;
pub use merge::{Arithmetic, Combination, MajoritySign, Merged, Prune};
pub use open::open_weights;
pub use quantized::QuantizedWeights;
pub use weights::{TensorInfo, Weights};
