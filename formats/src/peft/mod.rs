//! LoRA adapter folders as PEFT 0.21 writes them: `adapter_config.json`, the names of the tensors in
//! `adapter_model.safetensors`, PEFT's rules for which module wears what, and the proof that a folder's
//! config and tensors belong to one another and to a base ([`AdapterFiles::plan`]).
//!
//! What is left out: any arithmetic on the tensors.

mod config;
mod fields;
mod files;
mod part;
mod pattern;
mod place;
mod plan;
mod problem;
mod refuse;
mod rules;
mod tensors;
mod to_json;
mod whole;

pub use config::{AdapterConfig, Bias, InitLoraWeights, TargetModules};
pub use files::{AdapterFiles, content_digest};
pub use part::Part;
pub use pattern::ModulePattern;
pub use place::Place;
pub use plan::{Change, Plan};
pub use problem::Problem;
pub use tensors::{AdapterTensor, AdapterTensorName, open_tensors};
pub use whole::WholeWeights;
