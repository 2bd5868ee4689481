//! Which columns of a model's matrices matter: the squares of what they are multiplied with, summed over
//! a text, as llama.cpp's `llama-imatrix` sums them. A quantizer then errs where it matters least.
//!
//! * [`Chunks`]: a text, or training data, as token ids cut into equal chunks;
//! * [`fn@collect`]: the sums, with an adapter worn or none.
//!
//! Left out: the file format (`export::gguf`), and what quantizers make of the sums (`kernels::blocks`).

mod chunks;
mod collect;
mod error;

pub use chunks::{ChunkOptions, Chunks};
pub use collect::{Subject, collect};
pub use error::{Error, Result};
