//! The names of tensors in an adapter's file, taken apart, and opening that file.

use std::path::Path;

use super::config::AdapterConfig;
use crate::safetensors::SafetensorsFile;
use crate::{Error, Result};

const FILE: &str = "adapter_model.safetensors";
const PICKLE: &str = "adapter_model.bin";
/// PEFT wraps the base model twice; names on disk keep the wrapping.
const PREFIX: &str = "base_model.model.";
/// The adapter's name, which old files may still carry inside tensor names.
const DEFAULT_NAME: &str = "default";

/// A tensor's name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterTensorName {
    /// The module's full name in the base model, e.g. `model.layers.0.self_attn.q_proj`.
    pub module: String,
    /// What the tensor is to that module.
    pub kind: AdapterTensor,
}

/// What a tensor of an adapter is. `r` is the rank, `in` and `out` the base layer's sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdapterTensor {
    /// `lora_A.weight`, `[r, in]`.
    LoraA,
    /// `lora_B.weight`, `[out, r]`.
    LoraB,
    /// `lora_B.bias`, `[out]`.
    LoraBBias,
    /// `lora_magnitude_vector`, `[out]` (DoRA).
    Magnitude,
    /// `lora_embedding_A`, `[r, vocabulary]`.
    EmbeddingA,
    /// `lora_embedding_B`, `[hidden, r]`.
    EmbeddingB,
    /// A trained bias of the base layer, `[out]`; replaces the base's.
    Bias,
    /// A parameter of a module that `modules_to_save` replaces; `parameter` is `weight` or `bias`.
    ModuleToSave {
        /// The parameter's own name.
        parameter: String,
    },
    /// A copy of the base layer's own weight, saved beside its adapter (an embedding that was
    /// targeted); replaces the base's.
    BaseWeight,
    /// State of a training method (VeLoRA, MonteCLoRA) that a loaded adapter does not use.
    TrainingState,
}

impl AdapterTensorName {
    /// Takes a tensor's name apart, as PEFT and its predecessors write it. The configuration tells a
    /// replaced module's bias from a trained bias of the base.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a name that PEFT would not load for this configuration.
    pub fn parse(name: &str, config: &AdapterConfig, path: &Path) -> Result<Self> {
        let module_and_leaf = name.strip_prefix(PREFIX).unwrap_or(name);
        let found = lora(module_and_leaf).or_else(|| base(module_and_leaf, config));
        found.ok_or_else(|| {
            let problem = format!(
                "tensor `{name}` belongs to no LoRA adapter of this configuration; expected names \
                 such as base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
            );
            Error::malformed(path, problem)
        })
    }
}

/// Tensors that LoRA adds to a module.
fn lora(name: &str) -> Option<AdapterTensorName> {
    const KINDS: [(&str, &str, AdapterTensor); 8] = [
        (".lora_A", ".weight", AdapterTensor::LoraA),
        (".lora_B", ".weight", AdapterTensor::LoraB),
        (".lora_B", ".bias", AdapterTensor::LoraBBias),
        // PEFT writes it without `.weight` and reads it with or without.
        (".lora_magnitude_vector", ".weight", AdapterTensor::Magnitude),
        (".lora_magnitude_vector", "", AdapterTensor::Magnitude),
        (".lora_embedding_A", "", AdapterTensor::EmbeddingA),
        (".lora_embedding_B", "", AdapterTensor::EmbeddingB),
        (".lora_velora_embed", "", AdapterTensor::TrainingState),
    ];
    let (module, rest) = name.split_at(name.find(".lora_")?);
    if module.is_empty() {
        return None;
    }
    let kind = KINDS.into_iter().find(|(middle, leaf, _)| {
        let after = rest.strip_prefix(middle);
        after.is_some_and(|after| after == *leaf || is_named(after, leaf))
    });
    let kind = match kind {
        Some((_, _, kind)) => kind,
        None if rest.starts_with(".lora_monteclora_sampler.") => AdapterTensor::TrainingState,
        None => return None,
    };
    Some(AdapterTensorName { module: module.to_owned(), kind })
}

/// Whether `after` is `.default` and then `leaf`.
fn is_named(after: &str, leaf: &str) -> bool {
    let after = after.strip_prefix('.').and_then(|after| after.strip_prefix(DEFAULT_NAME));
    after == Some(leaf)
}

/// Parameters of the base itself: replaced modules, trained biases, saved embeddings.
fn base(name: &str, config: &AdapterConfig) -> Option<AdapterTensorName> {
    if name.contains(".lora_") {
        return None;
    }
    let (module, parameter) = name.rsplit_once('.')?;
    let (module, wrapped) = match module.strip_suffix(".base_layer") {
        Some(module) => (module, true),
        None => (module, false),
    };
    let kind = if config.saves(module) {
        AdapterTensor::ModuleToSave { parameter: parameter.to_owned() }
    } else {
        match parameter {
            "bias" => AdapterTensor::Bias,
            "weight" if wrapped => AdapterTensor::BaseWeight,
            _ => return None,
        }
    };
    Some(AdapterTensorName { module: module.to_owned(), kind })
}

/// Opens `adapter_model.safetensors` in an adapter folder, read into memory so that the folder may be
/// overwritten while it is in use.
///
/// # Errors
/// [`Error::Unsupported`] if only the pickle `adapter_model.bin` is there, otherwise as
/// [`SafetensorsFile::read`].
pub fn open_tensors(dir: &Path) -> Result<SafetensorsFile> {
    let path = dir.join(FILE);
    if path.exists() {
        return SafetensorsFile::read(&path);
    }
    if dir.join(PICKLE).exists() {
        let advice = "load the adapter in PEFT and save it with save_pretrained(..., \
                      safe_serialization=True)";
        return Err(Error::unsupported(dir, format!("the pickle file {PICKLE}"), advice));
    }
    let problem = format!("holds no {FILE}; expected an adapter folder as PEFT saves it");
    Err(Error::malformed(dir, problem))
}
