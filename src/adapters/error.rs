//! What can go wrong while adapters are loaded, replaced and unloaded. Each message is one sentence
//! that says what was expected, what was found and what to do.

use super::Problem;
use std::path::PathBuf;

/// Shorthand for results of this layer.
pub type Result<T, E = AdapterError> = std::result::Result<T, E>;

/// An adapter that could not be loaded, or a request that the registry refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A file is missing, damaged, or asks for something that is not supported.
    #[error(transparent)]
    Format(formats::Error),
    /// The files are sound but are no adapter for this base.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// The adapter's folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The name cannot be given to an adapter.
    #[error("{:?} cannot name an adapter: {reason}", name.chars().take(80).collect::<String>())]
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

impl AdapterError {
    /// Whether the files are at fault, so that they fail again until they change. A limit, a name,
    /// the operating system or a writer at work may well have it otherwise the next time.
    pub fn is_fault_of_files(&self) -> bool {
        match self {
            Self::Format(error) => !matches!(error, formats::Error::Io(_)),
            Self::Invalid { problem, .. } => *problem != Problem::Changing,
            _ => false,
        }
    }
}

impl From<formats::Error> for AdapterError {
    fn from(error: formats::Error) -> Self {
        match error {
            formats::Error::Adapter { path, problem } => Self::Invalid { path, problem: *problem },
            other => Self::Format(other),
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
