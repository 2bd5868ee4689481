//! Hugging Face `config.json` and `generation_config.json`, as transformers 4 and 5 write them.
//!
//! Everything a decoder needs to know before it touches a weight. What this program cannot compute
//! exactly as transformers does is refused by name rather than approximated.

mod from_gguf;
mod generation;
mod model;
mod refuse;
mod rope;
mod to_json;

pub use generation::GenerationConfig;
pub use model::{Architecture, ModelConfig};
pub use rope::{Rope, RopeScaling};
pub use to_json::rewrite_config;
