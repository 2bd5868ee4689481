//! What can go wrong while adapters are loaded, replaced and unloaded. Each message is one sentence
//! that says what was expected, what was found and what to do.

use std::path::{Path, PathBuf};

/// Shorthand for results of this layer.
pub type Result<T, E = AdapterError> = std::result::Result<T, E>;

/// An adapter that could not be loaded, or a request that the registry refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A file is missing, damaged, or asks for something that is not supported.
    #[error(transparent)]
    Format(#[from] formats::Error),
    /// The files are sound but are no adapter for this base.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// The adapter's folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The name cannot be given to an adapter.
    #[error("`{name}` cannot name an adapter: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another adapter has the name.
    #[error(
        "an adapter named `{name}` is loaded already (generation {generation}); replace it, unload \
         it first, or choose another name"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        generation: super::GenerationId,
    },
    /// No adapter has the name.
    #[error("no adapter named `{name}` is loaded; loaded are: {}", listed(loaded))]
    NotLoaded {
        /// The name.
        name: String,
        /// The names that are.
        loaded: Vec<String>,
    },
    /// The registry is full.
    #[error("`{name}` would be adapter number {}, but at most {limit} may be loaded; unload one first", limit + 1)]
    TooMany {
        /// The adapter that was to be loaded.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// The adapters' memory is full.
    #[error(
        "`{name}` takes {needed} bytes and other adapters hold {used}, but adapters may hold at most \
         {limit} bytes together; unload one first"
    )]
    TooLarge {
        /// The adapter that was to be loaded.
        name: String,
        /// Its bytes.
        needed: usize,
        /// Bytes held by the others.
        used: usize,
        /// The limit.
        limit: usize,
    },
}

/// What is wrong with an adapter whose files can be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such folder.
    #[error("is not a folder; expected an adapter folder with adapter_config.json")]
    NotAFolder,
    /// There is no config in it.
    #[error("holds no adapter_config.json; expected an adapter folder as PEFT saves it")]
    NoConfig,
    /// Its files are being written.
    #[error("keeps changing while it is read; load it again when its writer is done")]
    Changing,
    /// Embedding and head are one parameter in the base but two in the file.
    #[error(
        "holds different weights for embed_tokens and lm_head, which are one and the same in the \
         base model; train them through modules_to_save, or on a base that does not tie them"
    )]
    TiedCopies,
    /// A feature that is not supported.
    #[error("{feature} is not supported; {advice}")]
    Unsupported {
        /// By its name in the files.
        feature: String,
        /// What to do.
        advice: &'static str,
    },
    /// `target_modules` selects nothing in this base.
    #[error(
        "adapter_config.json targets no linear of the base model ({targets}); was it trained on \
         another architecture?"
    )]
    NothingTargeted {
        /// What the config targets.
        targets: String,
    },
    /// A targeted module lacks a tensor.
    #[error(
        "tensor `{tensor}` is missing although adapter_config.json {because}; the file is incomplete \
         or belongs to another adapter: save it again"
    )]
    Missing {
        /// The tensor's full name.
        tensor: String,
        /// What in the config asks for it.
        because: &'static str,
    },
    /// Tensors that the config has no place for.
    #[error(
        "tensor `{first}`{} has no place in the base model under adapter_config.json{hint}; nothing \
         is ignored, so the adapter is refused", others(*count)
    )]
    Unused {
        /// The first of them by name.
        first: String,
        /// How many there are.
        count: usize,
        /// What the config says about this kind of tensor, beginning with a space or empty.
        hint: String,
    },
    /// Config and tensor disagree about the rank.
    #[error(
        "adapter_config.json gives {module} rank {config} but its tensors have rank {tensors}; the \
         two files do not belong together"
    )]
    Rank {
        /// The module's path.
        module: String,
        /// Rank in the config.
        config: usize,
        /// Rank in the tensors.
        tensors: usize,
    },
    /// A tensor does not fit the base.
    #[error(
        "tensor `{tensor}` has shape {found:?} but the base model needs {expected:?}; the adapter \
         was trained on another model{}",
        named(base)
    )]
    Shape {
        /// The tensor's full name.
        tensor: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape that fits.
        expected: Vec<usize>,
        /// The base that the adapter names.
        base: Option<String>,
    },
    /// NaN or infinity.
    #[error("tensor `{tensor}` holds {value} at index {index}; the training run diverged")]
    NotFinite {
        /// The tensor's full name.
        tensor: String,
        /// The value.
        value: f32,
        /// Its place in the flattened tensor.
        index: usize,
    },
    /// Nothing would change.
    #[error(
        "the adapter changes nothing: every lora_B is zero, so the model would answer as the base \
         does; was it saved before it was trained?"
    )]
    NoEffect,
}

impl Problem {
    /// The problem of this folder.
    pub(super) fn of(self, path: &Path) -> AdapterError {
        AdapterError::Invalid { path: path.to_owned(), problem: self }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn others(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

fn named(base: &Option<String>) -> String {
    base.as_ref().map_or(String::new(), |base| format!(" (it names {base})"))
}
