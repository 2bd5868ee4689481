//! An adapter folder read whole: both files in memory, hashed, their syntax checked. What they mean
//! for a base is `plan`'s business.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{AdapterConfig, Problem, open_tensors};
use crate::{Result, SafetensorsFile};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
/// How often a folder that may be in the midst of a replacement is read, and the pause between.
const ATTEMPTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(5);

/// The two files of an adapter, as they were at one moment.
pub struct AdapterFiles {
    dir: PathBuf,
    config: AdapterConfig,
    tensors: SafetensorsFile,
    file_bytes: usize,
    digest: [u8; 32],
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
        let (config, weights) = attempt?;
        Self::check(dir, &config, SafetensorsFile::from_bytes(weights, &dir.join(WEIGHTS)))
    }

    /// As [`Self::read`], the weights mapped into memory instead of read: for adapters that hold whole
    /// embeddings and are used once. Nobody may overwrite the file in place meanwhile.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn map(dir: &Path) -> Result<Self> {
        let config = fs_err::read(checked_place(dir)?)?;
        Self::check(dir, &config, SafetensorsFile::open(&dir.join(WEIGHTS)))
    }

    fn check(dir: &Path, config_bytes: &[u8], tensors: Result<SafetensorsFile>) -> Result<Self> {
        let text = String::from_utf8_lossy(config_bytes);
        let config = AdapterConfig::parse(&text, &dir.join(CONFIG))?;
        let tensors = tensors?;
        let (digest, file_bytes) =
            (content_digest(config_bytes, tensors.bytes()), tensors.bytes().len());
        Ok(Self { dir: dir.to_owned(), config, tensors, file_bytes, digest })
    }

    /// Bytes of a folder's weights file; 0 if it has none.
    pub fn weights_size(dir: &Path) -> u64 {
        fs_err::metadata(dir.join(WEIGHTS)).map_or(0, |metadata| metadata.len())
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Hash of the content: see [`content_digest`].
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Bytes of the weights file.
    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    /// The weights file.
    pub fn tensors(&self) -> &SafetensorsFile {
        &self.tensors
    }

    /// The parsed `adapter_config.json`.
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }
}

/// SHA-256 over the SHA-256 digests of `adapter_config.json` and of the weights file.
pub fn content_digest(config: &[u8], weights: &[u8]) -> [u8; 32] {
    let digests = [Sha256::digest(config), Sha256::digest(weights)].concat();
    Sha256::digest(digests).into()
}

/// Both files of one moment: the config is the same before and after the weights are read.
fn read_both(dir: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let config_path = checked_place(dir)?;
    let config = fs_err::read(&config_path)?;
    let weights = fs_err::read(dir.join(WEIGHTS))?;
    match fs_err::read(config_path) {
        Ok(again) if again == config => Ok((config, weights)),
        _ => Err(Problem::Changing.of(dir)),
    }
}

/// The config's path, in a folder that holds both files.
fn checked_place(dir: &Path) -> Result<PathBuf> {
    if !dir.is_dir() {
        return Err(Problem::NotAFolder.of(dir));
    }
    let config_path = dir.join(CONFIG);
    if !config_path.is_file() {
        return Err(Problem::NoConfig.of(dir));
    }
    if !dir.join(WEIGHTS).is_file() {
        // Says what is there instead.
        open_tensors(dir)?;
    }
    Ok(config_path)
}
