//! `trainer_state.json` in the layout of the HF Trainer, and `metrics.jsonl` beside the result.
//!
//! Both hold the same entries: each log is one line of `metrics.jsonl` and one element of
//! `log_history`. Neither holds a time, so that a resumed run writes the same bytes.

use std::io::Write;
use std::path::{Path, PathBuf};

use formats::whole;
use serde_json::{Map, Value, json};

use super::checkpoint::write_json;
use super::error::TrainError;
use super::metrics::entries;

/// File name in a checkpoint folder.
pub const TRAINER_STATE: &str = "trainer_state.json";
/// File name in the output folder.
pub const METRICS: &str = "metrics.jsonl";

/// The figures of a run that its files state and that do not change while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// Steps of the whole run.
    pub max_steps: usize,
    /// Passes over the data, rounded up.
    pub num_train_epochs: u64,
    /// Examples of a micro-batch, 0 when it is sized by tokens.
    pub train_batch_size: usize,
    /// Steps between logs.
    pub logging_steps: usize,
    /// Steps between evaluations, if there are any.
    pub eval_steps: Option<usize>,
    /// Steps between checkpoints, if there are any.
    pub save_steps: Option<usize>,
}

/// Every log of a run, in memory and in `metrics.jsonl`.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    entries: Vec<Map<String, Value>>,
}

impl History {
    /// Starts `metrics.jsonl` in `output` with the entries of an earlier part of the run; whatever
    /// the file held beyond them is dropped.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn start(output: &Path, entries: Vec<Map<String, Value>>) -> Result<Self, TrainError> {
        let path = output.join(METRICS);
        let text: String = entries.iter().map(line).collect();
        whole::write_file(&path, text.as_bytes())?;
        Ok(Self { path, entries })
    }

    /// Appends one log.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, entry: Map<String, Value>) -> Result<(), TrainError> {
        let mut file = fs_err::OpenOptions::new().append(true).open(&self.path)?;
        file.write_all(line(&entry).as_bytes())?;
        self.entries.push(entry);
        Ok(())
    }

    /// The logs so far.
    pub fn entries(&self) -> &[Map<String, Value>] {
        &self.entries
    }

    /// Writes `trainer_state.json` into `dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_trainer_state(
        &self,
        dir: &Path,
        facts: &RunFacts,
        at: (usize, f64, u64),
    ) -> Result<(), TrainError> {
        let (global_step, epoch, num_tokens) = at;
        let state = entries([
            ("best_global_step", Value::Null),
            ("best_metric", Value::Null),
            ("best_model_checkpoint", Value::Null),
            ("epoch", json!(epoch)),
            ("eval_steps", json!(facts.eval_steps.unwrap_or(500))),
            ("global_step", json!(global_step)),
            ("is_hyper_param_search", json!(false)),
            ("is_local_process_zero", json!(true)),
            ("is_world_process_zero", json!(true)),
            ("log_history", json!(self.entries)),
            ("logging_steps", json!(facts.logging_steps)),
            ("max_steps", json!(facts.max_steps)),
            ("num_input_tokens_seen", json!(num_tokens)),
            ("num_train_epochs", json!(facts.num_train_epochs)),
            ("save_steps", json!(facts.save_steps.unwrap_or(500))),
            ("stateful_callbacks", json!({})),
            ("total_flos", json!(0.0)),
            ("train_batch_size", json!(facts.train_batch_size)),
            ("trial_name", Value::Null),
            ("trial_params", Value::Null),
        ]);
        write_json(&dir.join(TRAINER_STATE), &state)
    }
}

/// The logs that a checkpoint remembers.
///
/// # Errors
/// When its `trainer_state.json` is missing or holds no history.
pub fn read_history(checkpoint: &Path) -> Result<Vec<Map<String, Value>>, TrainError> {
    let path = checkpoint.join(TRAINER_STATE);
    let refuse = |problem: String| TrainError::Resume { path: checkpoint.to_owned(), problem };
    let text = fs_err::read_to_string(&path).map_err(|e| refuse(e.to_string()))?;
    let mut state: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|e| refuse(format!("{TRAINER_STATE} is not valid JSON ({e})")))?;
    let history = state.remove("log_history").unwrap_or(Value::Null);
    serde_json::from_value(history)
        .map_err(|e| refuse(format!("{TRAINER_STATE} holds no log history ({e})")))
}

fn line(entry: &Map<String, Value>) -> String {
    format!("{}\n", Value::Object(entry.clone()))
}
