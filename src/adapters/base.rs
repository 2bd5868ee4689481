//! What adapters need to know of the base model: its sizes, and its tensors where an adapter's
//! effect depends on their values (DoRA's norms, replaced biases and embeddings).

use super::Result;
use crate::model::{ModelFiles, Stored};
use formats::ModelConfig;
use formats::peft::Place;
use std::fmt;
use std::path::Path;

/// How the products of adapters, A and B, are held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// As the file has them: f32, or bf16 where bf16 holds every value of a tensor exactly.
    #[default]
    Exact,
    /// Rounded once to bf16, as peers that hold adapters in the base's type do: half the memory to
    /// read for every token.
    Bf16,
}

/// A base model on disk. Its tensors stay memory-mapped; nothing is read until it is asked for.
pub struct BaseInfo {
    /// The name under which the base is served; no adapter may take it.
    pub name: String,
    /// Its own name, where it is served under another: adapters may name it so.
    pub title: Option<String>,
    /// Sizes and architecture.
    pub config: ModelConfig,
    /// How adapters' products are held in memory.
    pub precision: Precision,
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
        let (config, precision) = (files.config().clone(), Precision::default());
        Self { name: name.into(), title: None, config, precision, files }
    }

    /// The weights' folder, or their GGUF file.
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// The weights' files.
    pub fn files(&self) -> &ModelFiles {
        &self.files
    }

    /// Whether an adapter that names its base so means this one: the last part of both is the same.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let folder = self.path().file_name().and_then(|name| name.to_str());
        let names = [Some(self.name.as_str()), self.title.as_deref(), folder];
        names.into_iter().flatten().any(|own| last_part(own) == last_part(name))
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

/// What names of one model have in common: `Qwen/Qwen2.5-0.5B` and `/models/qwen2.5-0.5b/`.
fn last_part(name: &str) -> String {
    let name = name.trim_end_matches(['/', '\\']);
    name.rsplit(['/', '\\']).next().unwrap_or(name).to_lowercase()
}
