//! LoRA adapters as PEFT saves them: read, proven to fit the base and to take effect, packed for the
//! kernels, and held by name as immutable generations.
//!
//! * [`fn@load`] makes a folder into an [`AdapterReport`] and weights that rows can wear;
//! * [`Registry`] holds what is loaded; replacing and unloading never disturb who uses a generation.
//!
//! What is left out: adapters in training (`train`), merging them into the base, and which folders
//! a remote user may load from (`api`).

mod base;
mod build;
mod dora;
mod error;
mod generation;
mod limits;
mod load;
mod name;
mod registry;
mod report;
mod scan;
mod source;
mod values;

pub use base::{BaseInfo, Precision};
pub use error::{AdapterError, Result};
pub use formats::peft::{AdapterFiles, Problem};
pub use generation::{Generation, GenerationId};
pub use limits::Limits;
pub use load::{LoadedAdapter, load};
pub use name::check_name;
pub use registry::{LoadPolicy, Registry};
pub use report::{AdapterReport, BaseMatch, Method, ModuleReport, size};
pub use scan::{FILES as ADAPTER_FILES, Scan};
pub use source::Source;
