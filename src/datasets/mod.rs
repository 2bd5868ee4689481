//! Records to token batches with loss masks: JSONL in the shapes that TRL documents ([`Record`]),
//! tokenized with a mask of what is trained ([`Encoder`], [`Dataset`]). Also makes the demo's data
//! ([`countdown`]). Leaves out the order of training and preference pairs.

pub mod countdown;
mod dataset;
mod encode;
mod mask;
mod preview;
mod record;
mod records;
mod rng;
mod spans;
mod stats;

use std::path::PathBuf;

use crate::model::{TemplateError, TokenizerError};

pub use dataset::{Dataset, LoadOptions};
pub use encode::{Encoder, Example, LossOn};

pub use preview::{PreviewSpan, preview};
pub use record::{Content, Extras, Record};
pub use records::{Records, read_records};
pub use rng::Rng;
pub use stats::Stats;

/// What can go wrong with training data.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file cannot be read.
    #[error("{reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why; names the file.
        reason: std::io::Error,
    },
    /// One line cannot be used.
    #[error("{path}:{line}: {reason}", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The field, what was expected and what was found.
        reason: EncodeError,
    },
    /// The data as a whole is of no use for training.
    #[error("{path} cannot be used: {reason}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
}

/// What can go wrong with one record.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The record is not of a known shape, or a field is wrong.
    #[error("{0}")]
    Record(String),
    /// The tokenizer failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template failed or refused.
    #[error(transparent)]
    Template(#[from] TemplateError),
}
