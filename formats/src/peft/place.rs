//! The modules of a model that an adapter can change: their names and shapes.

use crate::{ModelConfig, Site};

/// A module of the base that an adapter can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A linear of a layer.
    Linear(usize, Site),
    /// The token embedding.
    Embed,
    /// The output head.
    Head,
}

impl Place {
    /// Every place of a model, layer by layer.
    pub fn all(config: &ModelConfig) -> impl Iterator<Item = Place> {
        let sites = |layer| Site::ALL.into_iter().map(move |site| Place::Linear(layer, site));
        (0..config.num_hidden_layers).flat_map(sites).chain([Place::Embed, Place::Head])
    }

    /// The module's full name in Hugging Face checkpoints.
    pub fn path(self) -> String {
        match self {
            Place::Linear(layer, site) => format!("model.layers.{layer}.{}", site.module_path()),
            Place::Embed => "model.embed_tokens".into(),
            Place::Head => "lm_head".into(),
        }
    }

    /// The last part of [`Self::path`].
    pub fn name(self) -> &'static str {
        match self {
            Place::Linear(_, site) => site.name(),
            Place::Embed => "embed_tokens",
            Place::Head => "lm_head",
        }
    }

    /// Shape of its weight.
    pub fn shape(self, config: &ModelConfig) -> (usize, usize) {
        match self {
            Place::Linear(_, site) => site.shape(config),
            Place::Embed | Place::Head => (config.vocab_size, config.hidden_size),
        }
    }

    /// Whether the base has a bias there.
    pub fn has_bias(self, config: &ModelConfig) -> bool {
        matches!(self, Place::Linear(_, site) if site.has_bias(config))
    }
}
