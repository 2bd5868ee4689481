//! `training.json`: what a finished adapter was trained on, beside its weights, where exports find it.
//! Names of files, never their places: an adapter is given away.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::checkpoint::write_json;
use super::error::TrainError;
use super::run::Summary;
use super::settings::CommonConfig;

/// The file's name.
pub const RECORD: &str = "training.json";

/// What went into a finished result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// The program, e.g. `wardrobe 0.1.0`.
    pub tool: String,
    /// Names of the files of data.
    pub data: Vec<String>,
    /// SHA-256 of the examples in them, as tokens, in hexadecimal.
    pub data_digest: String,
    /// Optimizer steps.
    pub steps: usize,
    /// Tokens that were trained on.
    pub tokens: u64,
}

impl TrainingRecord {
    /// Of a run that is finished, on data of this digest.
    pub fn new(config: &CommonConfig, data_digest: String, summary: &Summary) -> Self {
        let names = config.data.iter().filter_map(|path| path.file_name());
        Self {
            tool: crate::TOOL.to_owned(),
            data: names.map(|name| name.to_string_lossy().into_owned()).collect(),
            data_digest,
            steps: summary.steps,
            tokens: summary.tokens,
        }
    }

    /// Writes it to the folder `dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), TrainError> {
        write_json(&dir.join(RECORD), self)
    }

    /// Reads it from the folder `dir`; `None` where there is none.
    ///
    /// # Errors
    /// When the file cannot be read or is not one of ours.
    pub fn read(dir: &Path) -> Result<Option<Self>, TrainError> {
        let path = dir.join(RECORD);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs_err::read(&path)?;
        let record = serde_json::from_slice(&text);
        record.map(Some).map_err(|error| TrainError::Output {
            path: dir.to_owned(),
            problem: format!("holds a {RECORD} that is not what training leaves: {error}"),
        })
    }
}
