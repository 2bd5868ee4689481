//! What a run trains, as the loop sees it.

use std::path::Path;

use super::error::TrainError;
use super::parameters::Parameters;
use crate::model::{Decoder, TrainableAdapter};

/// What is trained: a model with some trainable tensors, and how they go to disk.
pub trait Subject: Sync {
    /// The model.
    fn decoder(&self) -> &Decoder;

    /// The tensors that are trained.
    fn parameters(&self) -> &Parameters;

    /// The adapter that rows wear in the micro-batch at this place, or in evaluation; `None` when
    /// the base itself is trained.
    fn adapter(&self, place: Place) -> Option<TrainableAdapter>;

    /// Whether this parameter's gradient is zero until the first update.
    fn starts_without_gradient(&self, name: &str) -> bool;

    /// The file of a checkpoint that holds the trained tensors in f32.
    fn weights_file(&self) -> &'static str;

    /// Writes everything but the training state into `dir`: for a checkpoint in f32, for the
    /// finished result as it is published.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn write(&self, dir: &Path, stage: Stage) -> Result<(), TrainError>;
}

/// Where in a run the model is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In training: step and micro-batch, from 0. Dropout depends on both.
    Training {
        /// Finished steps.
        step: u64,
        /// Micro-batch of the window.
        micro_batch: u64,
    },
    /// In evaluation: nothing is tracked, nothing dropped.
    Evaluation,
}

/// What a folder is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// To resume from.
    Checkpoint,
    /// To be used.
    Final,
}
