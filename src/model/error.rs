//! What can go wrong while a model is loaded or run.

/// Result of this layer.
pub type Result<T> = std::result::Result<T, Error>;

/// A model that could not be loaded, or a forward pass that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the model folder is missing, damaged or not supported.
    #[error(transparent)]
    Format(#[from] formats::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// The caller's batch does not fit the model.
    #[error("the batch does not fit the model: {0}")]
    Batch(String),
}
