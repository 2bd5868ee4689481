//! The one error type of this crate: whole sentences for the person who owns the files.

use std::path::{Path, PathBuf};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written, or is not what it should be.
    #[error(transparent)]
    Format(#[from] formats::Error),
    /// The operating system refused; the message names the path and the operation.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A name or a text that the target format cannot hold.
    #[error("{0}")]
    Name(String),
    /// What was asked for cannot be done with these files.
    #[error("{}: {problem}", path.display())]
    Refused {
        /// The file or folder that is in the way.
        path: PathBuf,
        /// What was expected, what was found and what to do.
        problem: String,
    },
}

impl Error {
    /// An [`Error::Refused`].
    pub(crate) fn refused(path: &Path, problem: impl Into<String>) -> Self {
        Self::Refused { path: path.to_owned(), problem: problem.into() }
    }
}
