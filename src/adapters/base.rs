//! What adapters need to know of the base model: its sizes, and its tensors where an adapter's
//! effect depends on their values (DoRA's norms, replaced biases and embeddings).

use super::Result;
use crate::model::{ModelFiles, Site, Stored};
use formats::ModelConfig;
use std::fmt;
use std::path::Path;

/// A base model on disk. Its tensors stay memory-mapped; nothing is read until it is asked for.
pub struct BaseInfo {
    /// The name under which the base is served; no adapter may take it.
    pub name: String,
    /// Sizes and architecture.
    pub config: ModelConfig,
    files: ModelFiles,
}

impl BaseInfo {
    /// Opens the model folder or GGUF file `path` and calls it `name`.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration or the weights.
    pub fn open(path: &Path, name: &str) -> Result<Self> {
        Ok(Self::new(ModelFiles::open(path)?, name))
    }

    /// An open model, called `name`.
    pub fn new(files: ModelFiles, name: &str) -> Self {
        Self { name: name.into(), config: files.config().clone(), files }
    }

    /// The weights' folder, or their GGUF file.
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// The weight at a place, `[n, k]`; of the embedding and the head `[vocab, hidden]`.
    pub(super) fn weight(&self, place: Place) -> Result<Stored<'_>> {
        let tied_head = place == Place::Head && self.config.tie_word_embeddings;
        let place = if tied_head { Place::Embed } else { place };
        let (n, k) = place.shape(&self.config);
        Ok(self.files.tensor(&format!("{}.weight", place.path()), &[n, k])?)
    }

    /// The bias at a place that has one, `[n]`.
    pub(super) fn bias(&self, place: Place) -> Result<Stored<'_>> {
        let (n, _) = place.shape(&self.config);
        Ok(self.files.tensor(&format!("{}.bias", place.path()), &[n])?)
    }
}

impl fmt::Debug for BaseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseInfo({} in {})", self.name, self.path().display())
    }
}

/// A module of the base that an adapter can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A linear of a layer.
    Linear(usize, Site),
    /// The token embedding.
    Embed,
    /// The output head.
    Head,
}

impl Place {
    /// Every place of a model, layer by layer.
    pub(super) fn all(config: &ModelConfig) -> impl Iterator<Item = Place> {
        let sites = |layer| Site::ALL.into_iter().map(move |site| Place::Linear(layer, site));
        (0..config.num_hidden_layers).flat_map(sites).chain([Place::Embed, Place::Head])
    }

    /// The module's full name in Hugging Face checkpoints.
    pub(super) fn path(self) -> String {
        match self {
            Place::Linear(layer, site) => format!("model.layers.{layer}.{}", site.module_path()),
            Place::Embed => "model.embed_tokens".into(),
            Place::Head => "lm_head".into(),
        }
    }

    /// The last part of [`Self::path`].
    pub(super) fn name(self) -> &'static str {
        match self {
            Place::Linear(_, site) => site.name(),
            Place::Embed => "embed_tokens",
            Place::Head => "lm_head",
        }
    }

    /// Shape of its weight.
    pub(super) fn shape(self, config: &ModelConfig) -> (usize, usize) {
        match self {
            Place::Linear(_, site) => site.shape(config),
            Place::Embed | Place::Head => (config.vocab_size, config.hidden_size),
        }
    }

    /// Whether the base has a bias there.
    pub(super) fn has_bias(self, config: &ModelConfig) -> bool {
        matches!(self, Place::Linear(_, site) if site.has_bias(config))
    }
}
