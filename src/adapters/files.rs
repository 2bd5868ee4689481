//! An adapter folder read whole: both files in memory, hashed, their syntax checked. What they mean
//! for a base is `plan`'s and `load`'s business.

use super::{GenerationId, Problem, Result};
use formats::SafetensorsFile;
use formats::peft::{AdapterConfig, open_tensors};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
/// How often a folder that may be in the midst of a replacement is read, and the pause between.
const ATTEMPTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(5);

/// The two files of an adapter, as they were at one moment.
pub struct AdapterFiles {
    pub(super) dir: PathBuf,
    pub(super) config: AdapterConfig,
    pub(super) tensors: SafetensorsFile,
    pub(super) file_bytes: usize,
    id: GenerationId,
}

impl AdapterFiles {
    /// Reads `adapter_config.json` and `adapter_model.safetensors` of a folder. One that another
    /// process replaces meanwhile is read as it was before or as it is after, never half of each.
    ///
    /// # Errors
    /// A file that is missing, damaged, or asks for a feature that is not supported.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut attempt = read_both(dir);
        for _ in 1..ATTEMPTS {
            if attempt.is_ok() {
                break;
            }
            sleep(PAUSE);
            attempt = read_both(dir);
        }
        let (config_bytes, weights) = attempt?;
        let id = GenerationId::of(&config_bytes, &weights);
        let text = String::from_utf8_lossy(&config_bytes);
        let config = AdapterConfig::parse(&text, &dir.join(CONFIG))?;
        let file_bytes = weights.len();
        let tensors = SafetensorsFile::from_bytes(weights, &dir.join(WEIGHTS))?;
        Ok(Self { dir: dir.to_owned(), config, tensors, file_bytes, id })
    }

    /// Bytes of a folder's weights file; 0 if it has none.
    pub(super) fn weights_size(dir: &Path) -> u64 {
        fs_err::metadata(dir.join(WEIGHTS)).map_or(0, |metadata| metadata.len())
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

/// Both files of one moment: the config is the same before and after the weights are read.
fn read_both(dir: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    if !dir.is_dir() {
        return Err(Problem::NotAFolder.of(dir));
    }
    let (config_path, weights_path) = (dir.join(CONFIG), dir.join(WEIGHTS));
    if !config_path.is_file() {
        return Err(Problem::NoConfig.of(dir));
    }
    let config = fs_err::read(&config_path).map_err(formats::Error::from)?;
    if !weights_path.is_file() {
        // Says what is there instead.
        open_tensors(dir)?;
    }
    let weights = fs_err::read(weights_path).map_err(formats::Error::from)?;
    match fs_err::read(config_path) {
        Ok(again) if again == config => Ok((config, weights)),
        _ => Err(Problem::Changing.of(dir)),
    }
}
