//! The one error type of this crate: each variant is a whole sentence for the person who owns the
//! file, saying what was expected, what was found and what to do. It does not log.

use std::path::{Path, PathBuf};

use crate::peft::Problem;
use crate::safetensors::Dtype;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused; the message names the path and the operation.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is not JSON at all.
    #[error("{}: not valid JSON ({reason}); was the file cut short while it was copied?", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where the parser stopped.
        reason: serde_json::Error,
    },
    /// The file contradicts its own format.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        problem: String,
    },
    /// The file is sound but asks for something this program does not do.
    #[error("{}: {feature} is not supported; {advice}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The feature, by its name in the file.
        feature: String,
        /// What the user can do about it.
        advice: String,
    },
    /// A tensor that must be there is not.
    #[error(
        "{}: tensor `{name}` is missing; the file does not belong to this model, or is incomplete: \
         fetch or export it again", path.display()
    )]
    MissingTensor {
        /// The file or the folder of shards.
        path: PathBuf,
        /// The tensor's full name.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error(
        "{}: tensor `{name}` has shape {found:?} but the configuration needs {expected:?}; use the \
         weights and the configuration of one and the same model", path.display()
    )]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// The tensor's full name.
        name: String,
        /// The shape that was needed.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor's element type cannot be used here.
    #[error(
        "{}: tensor `{name}` is stored as {found}, expected F32, F16 or BF16; save the weights \
         de-quantized, for instance with torch_dtype=bfloat16", path.display()
    )]
    WrongDtype {
        /// The file.
        path: PathBuf,
        /// The tensor's full name.
        name: String,
        /// The type in the file.
        found: Dtype,
    },
    /// An adapter's files are sound but are no adapter for the base.
    #[error("{}: {problem}", path.display())]
    Adapter {
        /// The adapter's folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<Problem>,
    },
}

impl Error {
    /// A [`Error::Malformed`].
    pub(crate) fn malformed(path: &Path, problem: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), problem: problem.into() }
    }

    /// An [`Error::Unsupported`].
    pub(crate) fn unsupported(
        path: &Path,
        feature: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (feature, advice) = (feature.into(), advice.into());
        Self::Unsupported { path: path.to_owned(), feature, advice }
    }
}
