//! Why an adapter folder whose files can be read is no adapter for a base. Each problem is one
//! sentence: what was expected, what was found and what to do.

use std::path::Path;

use crate::Error;

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
    /// A file is a link where none is followed.
    #[error(
        "{file} is a symbolic link, and none is followed below the adapter folder; copy the file there, \
         or name the adapter with --adapter"
    )]
    Linked {
        /// The file's name.
        file: &'static str,
    },
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
        "the adapter changes nothing: {zero}, so the model would answer as the base does; was it saved \
         before it was trained?"
    )]
    NoEffect {
        /// Which of its figures are zero.
        zero: &'static str,
    },
}

impl Problem {
    /// The problem of this folder.
    pub fn of(self, path: &Path) -> Error {
        Error::Adapter { path: path.to_owned(), problem: Box::new(self) }
    }
}

fn others(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

fn named(base: &Option<String>) -> String {
    base.as_ref().map_or(String::new(), |base| format!(" (it names {base})"))
}
