//! LoRA adapter folders as PEFT 0.21 writes them: `adapter_config.json`, the names of the tensors in
//! `adapter_model.safetensors`, and PEFT's rules for which module wears what.
//!
//! It does not load the tensors into a model or prove that they fit one.

mod config;
mod fields;
mod pattern;
mod refuse;
mod rules;
mod tensors;
mod to_json;

pub use config::{AdapterConfig, Bias, InitLoraWeights, TargetModules};
pub use pattern::ModulePattern;
pub use tensors::{AdapterTensor, AdapterTensorName, open_tensors};
