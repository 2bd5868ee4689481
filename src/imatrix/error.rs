//! Why a model could not be measured on a text.

use std::path::PathBuf;

/// Shorthand for results of this layer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model could not be measured on a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text cannot be read; the message names the file.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// The training data cannot be read.
    #[error(transparent)]
    Data(#[from] crate::datasets::DatasetError),
    /// The tokenizer refuses the text.
    #[error(transparent)]
    Tokenizer(#[from] crate::model::TokenizerError),
    /// The model cannot be run.
    #[error(transparent)]
    Model(Box<crate::model::Error>),
    /// The text is too short.
    #[error("{} cannot be used: {reason}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What was expected, what was found and what to do.
        reason: String,
    },
    /// The model does not do what was asked.
    #[error("{0}")]
    Refused(String),
}

impl From<crate::model::Error> for Error {
    fn from(error: crate::model::Error) -> Self {
        Self::Model(Box::new(error))
    }
}
