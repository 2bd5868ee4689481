//! Where a package's weights come from: a model folder, a hub id or a GGUF file, dense or quantized,
//! with adapters laid on it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use export::gguf::{Origin, Provenance};
use export::merge::Combination;
use export::{GgufWeights, Merged, Weights, hexadecimal, model_digest, open_weights};
use formats::peft::AdapterFiles;
use formats::{ModelConfig, Quantization};
use tempfile::TempDir;

use super::training_data::training_data;
use crate::cli::loading;
use crate::cli::model_args::DEFAULT_MODEL;

/// This program, as packages name it.
pub(super) const TOOL: &str = concat!("wardrobe ", env!("CARGO_PKG_VERSION"));

/// What is packed.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// The base: a folder in Hugging Face layout, a GGUF file, or a hub id
    #[arg(long, value_name = "PATH|HUB_ID", default_value = DEFAULT_MODEL)]
    pub(super) model: String,
    /// Lay an adapter on the base (again for more: their changes are added up)
    #[arg(long, value_name = "DIR")]
    pub(super) adapter: Vec<PathBuf>,
    /// How much of the adapter at the same place [default: 1]
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    pub(super) weight: Vec<f64>,
}

/// A model ready to be packed.
pub(super) struct SourceModel {
    pub(super) weights: Box<dyn Weights>,
    pub(super) config: ModelConfig,
    /// The folder with tokenizer, chat template and generation settings.
    pub(super) dir: PathBuf,
    pub(super) provenance: Provenance,
    /// The last part of the model's name, with the last adapter's.
    pub(super) name: String,
    pub(super) warnings: Vec<String>,
    /// Holds [`Self::dir`] where the model is one file.
    _files: Option<TempDir>,
}

/// A base as it lies there.
struct BaseModel {
    path: PathBuf,
    weights: Box<dyn Weights>,
    config: ModelConfig,
    dir: PathBuf,
    files: Option<TempDir>,
}

impl SourceArgs {
    /// What is read: no result may take its place.
    pub(super) fn inputs(&self) -> Vec<&Path> {
        let adapters = self.adapter.iter().map(PathBuf::as_path);
        adapters.chain([Path::new(self.model.as_str())]).collect()
    }

    /// Opens base and adapters.
    pub(super) fn open(&self) -> Result<SourceModel> {
        if self.weight.len() > self.adapter.len() {
            let (weights, adapters) = (self.weight.len(), self.adapter.len());
            bail!("there are {weights} --weight for {adapters} --adapter; give each adapter one");
        }
        let base = self.base()?;
        let mut name = last_part(&self.model);
        let mut provenance = Provenance {
            tool: TOOL.to_owned(),
            base: Some(Origin { name: self.model_name(), digest: model_digest(&base.path)? }),
            ..Provenance::default()
        };
        let BaseModel { weights, config, dir, files, .. } = base;
        if self.adapter.is_empty() {
            let warnings = Vec::new();
            return Ok(SourceModel {
                weights,
                config,
                dir,
                provenance,
                name,
                warnings,
                _files: files,
            });
        }
        let mut adapters = Vec::new();
        for (at, path) in self.adapter.iter().enumerate() {
            let read = AdapterFiles::map(path)
                .with_context(|| format!("cannot read --adapter {}", path.display()))?;
            let own = last_part(&path.display().to_string());
            let digest = hexadecimal(&read.digest());
            name = format!("{name}-{own}");
            provenance.adapters.push(Origin { name: own, digest });
            provenance.data.extend(training_data(path)?);
            adapters.push((read, self.weight.get(at).copied().unwrap_or(1.0)));
        }
        let merged = Merged::new(weights, &config, &dir, adapters, &Combination::Sum)?;
        let (config, warnings) = (merged.config().clone(), merged.warnings().to_vec());
        let weights = Box::new(merged);
        Ok(SourceModel { weights, config, dir, provenance, name, warnings, _files: files })
    }

    fn base(&self) -> Result<BaseModel> {
        let file = Path::new(&self.model);
        if file.is_file() {
            return gguf_base(file);
        }
        let dir = loading::find_folder(&self.model)?;
        let config = match Quantization::read(&dir)? {
            Some(_) => ModelConfig::read_shape(&dir)?,
            None => ModelConfig::read(&dir)?,
        };
        let weights = open_weights(&dir)?;
        Ok(BaseModel { path: dir.clone(), weights, config, dir, files: None })
    }

    /// A hub id stays whole; of a path, the last part.
    fn model_name(&self) -> String {
        if Path::new(&self.model).exists() { last_part(&self.model) } else { self.model.clone() }
    }
}

/// A GGUF file and, in a temporary folder, the Hugging Face files that it stands for.
fn gguf_base(file: &Path) -> Result<BaseModel> {
    let weights = GgufWeights::open(file)?;
    let files = tempfile::tempdir().context("cannot make a temporary folder")?;
    for (name, json) in weights.sidecars()? {
        fs_err::write(files.path().join(name), json.to_string())?;
    }
    let (config, dir) = (weights.config().clone(), files.path().to_owned());
    let (path, weights) = (file.to_owned(), Box::new(weights));
    Ok(BaseModel { path, weights, config, dir, files: Some(files) })
}

/// The last part of a path or hub id, without a revision and the ending `.gguf`.
pub(super) fn last_part(path: &str) -> String {
    let real = fs_err::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let last = real.file_name().map(|name| name.to_string_lossy().into_owned());
    let last = last.unwrap_or_else(|| "model".to_owned());
    let last = last.split('@').next().unwrap_or(&last);
    last.strip_suffix(".gguf").unwrap_or(last).to_owned()
}
