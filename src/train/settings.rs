//! The settings that every training command has, what they may be, and what they come to for the
//! training loop. Where their values come from is `resolve`'s business.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::adamw::AdamWConfig;
use super::backward::Memory;
use super::error::TrainError;
use super::plan::{BatchSize, PlanConfig};
use super::run::LoopConfig;
use super::schedule::{Schedule, SchedulerType};
use super::stop::Stop;
use super::trainer_state::RunFacts;
use crate::datasets::LossOn;

/// Settings that every training command has. 0 means "off" or "no limit" where the text says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct CommonConfig {
    /// Files to train on.
    #[serde(deserialize_with = "one_or_many")]
    pub data: Vec<PathBuf>,
    /// Files to evaluate on.
    #[serde(default, deserialize_with = "one_or_many")]
    pub eval_data: Vec<PathBuf>,
    /// Share of the training data held out for evaluation instead.
    pub eval_fraction: f64,
    /// Folder for the result, the checkpoints and the metrics.
    pub output: PathBuf,
    /// Go on from the newest checkpoint in `output`.
    pub resume: bool,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Its course after warm-up.
    pub lr_scheduler: SchedulerType,
    /// Steps of linear warm-up; below 1, a share of all steps.
    pub warmup_steps: f64,
    /// Which optimizer.
    pub optim: Optim,
    /// Decoupled weight decay, not applied to norms and biases.
    pub weight_decay: f64,
    /// AdamW's β1.
    pub adam_beta1: f64,
    /// AdamW's β2.
    pub adam_beta2: f64,
    /// AdamW's ε.
    pub adam_epsilon: f64,
    /// Limit of the global gradient norm; 0: none.
    pub max_grad_norm: f64,
    /// Examples of a micro-batch.
    pub batch_size: usize,
    /// Tokens of a micro-batch instead; 0: use `batch_size`.
    pub batch_tokens: usize,
    /// Micro-batches of one optimizer step.
    pub gradient_accumulation_steps: usize,
    /// Passes over the data.
    pub epochs: f64,
    /// Stop after this many steps; 0: after `epochs`.
    pub max_steps: usize,
    /// Longest example in tokens.
    pub max_length: usize,
    /// Draw a new order every epoch.
    pub shuffle: bool,
    /// Decides every random number of the run.
    pub seed: u64,
    /// Which tokens the loss is taken on.
    pub loss_on: LossTokens,
    /// Steps between logs.
    pub logging_steps: usize,
    /// Steps between evaluations; 0: only at the end.
    pub eval_steps: usize,
    /// Steps between checkpoints; 0: none.
    pub save_steps: usize,
    /// Checkpoints to keep; 0: all.
    pub save_total_limit: usize,
    /// Keep only each layer's input and compute the rest again on the way back.
    pub gradient_checkpointing: bool,
}

/// Optimizers by their contract names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optim {
    /// AdamW with f32 state.
    AdamW,
}

/// Which tokens the loss is taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossTokens {
    /// Completions, assistant turns and plain text.
    Replies,
    /// Every token.
    All,
}

impl From<LossTokens> for LossOn {
    fn from(tokens: LossTokens) -> Self {
        match tokens {
            LossTokens::Replies => LossOn::Replies,
            LossTokens::All => LossOn::All,
        }
    }
}

impl CommonConfig {
    /// Refuses values that make no run.
    ///
    /// # Errors
    /// Names the setting, its value and what is expected.
    pub fn check(&self) -> Result<(), TrainError> {
        let positive = [
            ("learning_rate", self.learning_rate),
            ("adam_epsilon", self.adam_epsilon),
            ("logging_steps", self.logging_steps as f64),
            ("batch_size", self.batch_size as f64),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps as f64),
        ];
        let shares = [
            ("adam_beta1", self.adam_beta1),
            ("adam_beta2", self.adam_beta2),
            ("eval_fraction", self.eval_fraction),
        ];
        let not_negative = [
            ("warmup_steps", self.warmup_steps),
            ("weight_decay", self.weight_decay),
            ("max_grad_norm", self.max_grad_norm),
        ];
        for (name, value) in positive {
            expect(value > 0.0 && value.is_finite(), name, value, "a number above 0")?;
        }
        for (name, value) in shares {
            expect((0.0..1.0).contains(&value), name, value, "at least 0 and below 1")?;
        }
        for (name, value) in not_negative {
            expect(value >= 0.0 && value.is_finite(), name, value, "0 or more")?;
        }
        let length = self.max_length;
        expect(
            length >= 2,
            "max_length",
            length,
            "at least 2 tokens: one to predict the next from",
        )?;
        let passes = self.max_steps > 0 || (self.epochs > 0.0 && self.epochs.is_finite());
        expect(passes, "epochs", self.epochs, "a number above 0, or max_steps in its place")
    }

    /// The part that decides the order of the data.
    pub fn plan(&self) -> PlanConfig {
        PlanConfig {
            batch: self.batch(),
            accumulation: self.gradient_accumulation_steps,
            epochs: self.epochs,
            max_steps: unless_zero(self.max_steps),
            shuffle: self.shuffle,
            seed: self.seed,
        }
    }

    fn batch(&self) -> BatchSize {
        match self.batch_tokens {
            0 => BatchSize::Examples(self.batch_size),
            tokens => BatchSize::Tokens(tokens),
        }
    }

    /// The part that the training loop follows. `steps` is the length of the run;
    /// `settings` is what a checkpoint records, `stop` ends it early.
    pub fn loop_config(
        &self,
        steps: usize,
        settings: Map<String, Value>,
        stop: &Stop,
    ) -> LoopConfig {
        let (kind, peak) = (self.lr_scheduler, self.learning_rate);
        LoopConfig {
            output: self.output.clone(),
            adamw: AdamWConfig {
                beta1: self.adam_beta1,
                beta2: self.adam_beta2,
                epsilon: self.adam_epsilon,
                weight_decay: self.weight_decay,
            },
            schedule: Schedule::new(kind, peak, self.warmup_steps, steps),
            max_grad_norm: self.max_grad_norm,
            memory: if self.gradient_checkpointing { Memory::Recompute } else { Memory::Keep },
            eval_batch: self.batch(),
            facts: RunFacts {
                max_steps: steps,
                num_train_epochs: self.epochs.ceil() as u64,
                train_batch_size: if self.batch_tokens == 0 { self.batch_size } else { 0 },
                logging_steps: self.logging_steps,
                eval_steps: unless_zero(self.eval_steps),
                save_steps: unless_zero(self.save_steps),
            },
            save_total_limit: unless_zero(self.save_total_limit),
            resume: self.resume,
            settings,
            stop: stop.clone(),
        }
    }
}

fn unless_zero(value: usize) -> Option<usize> {
    Some(value).filter(|&v| v > 0)
}

/// Refuses a setting with the three facts a user needs.
///
/// # Errors
/// When `holds` is false.
pub fn expect(
    holds: bool,
    name: &str,
    found: impl std::fmt::Display,
    expected: &str,
) -> Result<(), TrainError> {
    if holds {
        return Ok(());
    }
    Err(TrainError::Setting(format!("{name} is {found}, expected {expected}")))
}

/// Accepts `x` where `[x]` is meant.
pub fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        Many(Vec<T>),
        One(T),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(many) => many,
        OneOrMany::One(one) => vec![one],
    })
}
