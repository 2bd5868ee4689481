//! The seam between policy and tensors: a step as integers, and who can run it.

use crate::adapters::Generation;
use std::ops::Range;
use std::sync::Arc;
use thiserror::Error;

/// Some consecutive tokens of one sequence, to be computed in one step.
#[derive(Clone, Debug)]
pub struct BatchChunk<'a> {
    /// The tokens.
    pub tokens: &'a [u32],
    /// Position of the first of them; all earlier ones are in the cache.
    pub first_position: usize,
    /// The sequence's blocks, in order of position, this chunk's included.
    pub block_table: &'a [u32],
    /// What these rows wear. Chunks of one generation are neighbours.
    pub adapter: Option<&'a Arc<Generation>>,
    /// Rows of this chunk (from 0) whose logits are wanted.
    pub logit_rows: Range<usize>,
}

/// A row whose logits were wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogitRow {
    /// Index of its chunk in the batch.
    pub chunk: usize,
    /// Its row in that chunk.
    pub row: usize,
}

/// Takes some wanted rows and their logits `[rows, vocabulary]`, which it may overwrite.
pub type LogitSink<'s> = dyn FnMut(&[LogitRow], &mut [f32]) + 's;

/// Runs a model over a batch. [`super::model_runner::ModelRunner`] is the real one.
pub trait Runner: Send {
    /// Logits in one row.
    fn vocab_size(&self) -> usize;

    /// Computes every token of every chunk and hands the wanted logits to `sink`, a few rows at a
    /// time and in the order of the batch, so that they never exist all at once.
    ///
    /// # Errors
    /// When the model cannot be run; the blocks of this batch then hold nothing sure.
    fn run(&mut self, batch: &[BatchChunk<'_>], sink: &mut LogitSink<'_>) -> Result<(), RunError>;
}

/// A step that could not be computed.
#[derive(Debug, Error)]
#[error("the model could not compute this step: {0}")]
pub struct RunError(pub String);
