//! Why a package could not be proven, or was disproven.

/// Shorthand for results of this layer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a proof ended without success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of either side could not be read.
    #[error(transparent)]
    Format(#[from] formats::Error),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Either side's weights could not be read.
    #[error(transparent)]
    Weights(#[from] export::Error),
    /// Either side could not be run.
    #[error(transparent)]
    Model(Box<crate::model::Error>),
    /// A tokenizer could not be read, or refuses a text.
    #[error(transparent)]
    Tokenizer(#[from] crate::model::TokenizerError),
    /// A chat template could not be read.
    #[error(transparent)]
    Template(#[from] crate::model::TemplateError),
    /// The package is not what was served.
    #[error("the package is not what was served: {0}")]
    Disproven(String),
}

impl From<crate::model::Error> for Error {
    fn from(error: crate::model::Error) -> Self {
        Self::Model(Box::new(error))
    }
}
