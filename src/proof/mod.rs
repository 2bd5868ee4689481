//! The proof that a written package is what was served: base + adapters on one side, the package's own
//! bytes on the other.
//!
//! * [`prove_gguf`]: a GGUF file in every way;
//! * [`prove_weights`]: module by module, how much of each adapter's change the package carries, and
//!   how far its values lie from what they should be; found by regression over every value, so that
//!   the answer stands however coarse the package's types are;
//! * [`fn@composite`]: several adapters with strengths as one that the engine wears;
//! * [`record`] and [`Recording::compare`]: the package run over the tokens that base + adapter answered;
//! * [`prove_adapter`]: an adapter as a GGUF file, module by module;
//! * [`prove_text`]: conversations become the same tokens, answers end at the same tokens;
//! * [`Verdict`]: the figures against their bounds.
//!
//! The adapters' side comes from what the engine wears (`adapters`), not from the code that merged.
//! What is left out: writing packages (`export`).

mod adapter;
mod behaviour;
mod bounds;
mod carried;
mod composite;
mod config;
mod error;
mod package;
mod report;
mod served;
mod text;
mod weights;

pub use adapter::{AdapterProof, PairProof, prove_adapter};
pub use behaviour::{Behaviour, Recording, Subject, record};
pub use bounds::{Rounding, Verdict};
pub use carried::Carried;
pub use composite::composite;
pub use config::prove_config;
pub use error::{Error, Result};
pub use package::{
    LONGEST_PROMPT, MOST_PROMPTS, PackageProof, Served, memory, prove_gguf, prove_same_text,
};
pub use text::{TextProof, TextSide, prompts, prove_text};
pub use weights::{ModuleProof, Package, WeightsProof, prove_weights};
