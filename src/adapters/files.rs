//! An adapter folder read whole: both files in memory, hashed, their syntax checked. What they mean
//! for a base is `plan`'s and `load`'s business.

use super::{GenerationId, Problem, Result};
use formats::SafetensorsFile;
use formats::peft::{AdapterConfig, open_tensors};
use std::path::{Path, PathBuf};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
/// How often a folder that is being replaced is read again.
const ATTEMPTS: usize = 3;

/// The two files of an adapter, as they were at one moment.
pub struct AdapterFiles {
    pub(super) dir: PathBuf,
    pub(super) config: AdapterConfig,
    pub(super) tensors: SafetensorsFile,
    pub(super) file_bytes: usize,
    id: GenerationId,
}

impl AdapterFiles {
    /// Reads `adapter_config.json` and `adapter_model.safetensors` of a folder, each once.
    ///
    /// # Errors
    /// A file that is missing, damaged, or asks for a feature that is not supported.
    pub fn read(dir: &Path) -> Result<Self> {
        if !dir.is_dir() {
            return Err(Problem::NotAFolder.of(dir));
        }
        let (config_bytes, weights) = read_both(dir)?;
        let id = GenerationId::of(&config_bytes, &weights);
        let config_path = dir.join(CONFIG);
        let text = String::from_utf8_lossy(&config_bytes);
        let config = AdapterConfig::parse(&text, &config_path)?;
        let file_bytes = weights.len();
        let tensors = SafetensorsFile::from_bytes(weights, &dir.join(WEIGHTS))?;
        Ok(Self { dir: dir.to_owned(), config, tensors, file_bytes, id })
    }

    /// Hash of the content.
    pub fn id(&self) -> GenerationId {
        self.id
    }

    /// The parsed `adapter_config.json`.
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }
}

/// Both files of one moment: a folder that is replaced between the two reads is read again.
fn read_both(dir: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let config_path = dir.join(CONFIG);
    for _ in 0..ATTEMPTS {
        let config = fs_err::read(&config_path).map_err(formats::Error::from)?;
        if !dir.join(WEIGHTS).exists() {
            // Says what is there instead.
            open_tensors(dir)?;
        }
        let weights = fs_err::read(dir.join(WEIGHTS)).map_err(formats::Error::from)?;
        if fs_err::read(&config_path).is_ok_and(|again| again == config) {
            return Ok((config, weights));
        }
    }
    Err(Problem::Changing.of(dir))
}
