//! The parts of which an adapter's change of one module consists, and PEFT's names for them.

use super::{AdapterTensor, Place};

/// What a tensor is to its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A, `[r, k]`; of the embedding `[r, vocab]`.
    A,
    /// B, `[n, r]`; of the embedding `[hidden, r]`.
    B,
    /// Bias of B, `[n]`.
    BBias,
    /// DoRA's magnitude, `[n]`; of the embedding `[hidden]`.
    Magnitude,
    /// A bias in place of the base's, `[n]`.
    Bias,
    /// A weight in place of the base's.
    Weight,
}

impl Part {
    /// Where a kind of tensor belongs at a place; `None` if nowhere.
    pub fn of(place: Place, kind: &AdapterTensor) -> Option<Part> {
        let embed = place == Place::Embed;
        let linear = matches!(place, Place::Linear(..));
        match kind {
            AdapterTensor::LoraA if !embed => Some(Part::A),
            AdapterTensor::LoraB if !embed => Some(Part::B),
            AdapterTensor::LoraBBias if !embed => Some(Part::BBias),
            AdapterTensor::EmbeddingA if embed => Some(Part::A),
            AdapterTensor::EmbeddingB if embed => Some(Part::B),
            AdapterTensor::Magnitude => Some(Part::Magnitude),
            AdapterTensor::Bias if linear => Some(Part::Bias),
            AdapterTensor::BaseWeight if !linear => Some(Part::Weight),
            AdapterTensor::ModuleToSave { parameter } if !linear && parameter == "weight" => {
                Some(Part::Weight)
            }
            _ => None,
        }
    }

    /// The name under which PEFT saves the part of a module; `wrapped` if the module has a pair A, B.
    pub fn tensor_name(self, place: Place, wrapped: bool) -> String {
        let leaf = match (self, place) {
            (Part::A, Place::Embed) => "lora_embedding_A",
            (Part::B, Place::Embed) => "lora_embedding_B",
            (Part::A, _) => "lora_A.weight",
            (Part::B, _) => "lora_B.weight",
            (Part::BBias, _) => "lora_B.bias",
            (Part::Magnitude, _) => "lora_magnitude_vector",
            (Part::Bias, _) if wrapped => "base_layer.bias",
            (Part::Bias, _) => "bias",
            (Part::Weight, _) => "weight",
        };
        format!("base_model.model.{}.{leaf}", place.path())
    }
}
