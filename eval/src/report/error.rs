//! What can be wrong with the folders that a report is made from, in one sentence each.

use crate::Unreadable;

/// What can keep a report from being made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the folder is not what it should be.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Two evaluations cannot be compared.
    #[error("{one} and {other} cannot be compared: {reason}")]
    Incomparable {
        /// One folder.
        one: String,
        /// The other.
        other: String,
        /// Why.
        reason: String,
    },
    /// A bound on results is none, or names what is not there.
    #[error("`{bound}` is no bound that these results can be held to: {reason}")]
    Bound {
        /// As it was written.
        bound: String,
        /// Why.
        reason: String,
    },
    /// A part of an evaluation that it has not.
    #[error("{0}")]
    Part(String),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] formats::Error),
}
