//! What can go wrong while an adapter or a base is trained.

use std::path::PathBuf;

/// A run that cannot start or cannot go on. Each message is one sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting cannot be honoured.
    #[error("{0}")]
    Setting(String),
    /// The data cannot be trained on.
    #[error("{0}")]
    Data(String),
    /// A run of an earlier time cannot be taken up.
    #[error("cannot resume from {}: {problem}", path.display())]
    Resume {
        /// The checkpoint folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The output folder holds another run.
    #[error("{} {problem}", path.display())]
    Output {
        /// The output folder.
        path: PathBuf,
        /// What is in the way and what to do.
        problem: String,
    },
    /// The run was asked to end.
    #[error("stopped after step {done} of {total}; --resume goes on from there")]
    Stopped {
        /// Steps that are finished, and kept in a checkpoint if there are any.
        done: usize,
        /// Steps of the whole run.
        total: usize,
    },
    /// Some trainable tensors learn nothing, or the numbers have blown up.
    #[error("{0}")]
    Gradient(String),
    /// The model could not be loaded or run.
    #[error(transparent)]
    Model(#[from] crate::model::Error),
    /// The data could not be read, or cannot be trained on.
    #[error(transparent)]
    Dataset(#[from] crate::datasets::DatasetError),
    /// The tokenizer could not be read, trained or used.
    #[error(transparent)]
    Tokenizer(#[from] crate::model::TokenizerError),
    /// The chat template could not be read or used.
    #[error(transparent)]
    Template(#[from] crate::model::TemplateError),
    /// A file could not be read or written.
    #[error(transparent)]
    Format(#[from] formats::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
