//! Where a package's weights come from: a model folder, a hub id or a GGUF file, dense or quantized,
//! with adapters laid on it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use export::gguf::{Origin, Provenance};
use export::license::License;
use export::merge::Combination;
use export::{Merged, Model, Weights, model_digest};
use formats::ModelConfig;
use formats::digest::hexadecimal;
use formats::peft::AdapterFiles;

use crate::TOOL;
use crate::cli::adapter_args::AdapterArgs;
use crate::cli::loading;
use crate::cli::model_args::DEFAULT_MODEL;
use crate::cli::training_data::training_data;

/// What is packed.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// The base: a folder in Hugging Face layout, a GGUF file, or a hub id
    #[arg(long, value_name = "PATH|HUB_ID", default_value = DEFAULT_MODEL)]
    pub(super) model: String,
    #[command(flatten)]
    pub(super) adapters: AdapterArgs,
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
}

impl SourceArgs {
    /// What is read: no result may take its place.
    pub(super) fn inputs(&self) -> Vec<&Path> {
        let adapters = self.adapters.adapter.iter().map(PathBuf::as_path);
        adapters.chain([Path::new(self.model.as_str())]).collect()
    }

    /// Opens base and adapters. What a base that is one file has no files for is written to `room`.
    pub(super) fn open(&self, room: &Path) -> Result<SourceModel> {
        let adapters = self.adapters.weighed()?;
        let path = loading::find(&self.model)?;
        let Model { weights, config, sidecars } = Model::open(&path)?;
        let dir = if path.is_file() { room.join("sidecars") } else { path.clone() };
        if path.is_file() {
            fs_err::create_dir(&dir)?;
            sidecars.write(&dir, None, config.tie_word_embeddings, None)?;
        }
        let base = Origin { name: loading::title_of(&self.model)?, digest: model_digest(&path)? };
        let provenance = Provenance {
            tool: TOOL.to_owned(),
            base: Some(base),
            license: path.is_file().then(|| License::of_model(&path)).flatten(),
            ..Provenance::default()
        };
        let name = last_part(&self.model);
        let source = SourceModel { weights, config, dir, provenance, name, warnings: Vec::new() };
        if adapters.is_empty() { Ok(source) } else { source.wear(adapters) }
    }
}

impl SourceModel {
    /// The same with adapters merged on, each with its weight.
    fn wear(mut self, adapters: Vec<(PathBuf, f64)>) -> Result<Self> {
        let mut files = Vec::new();
        for (path, weight) in adapters {
            let read = AdapterFiles::map(&path)
                .with_context(|| format!("cannot read --adapter {}", path.display()))?;
            let name = last_part(&path.display().to_string());
            let digest = hexadecimal(&read.digest());
            self.name = format!("{}-{name}", self.name);
            self.provenance.adapters.push(Origin { name, digest });
            self.provenance.data.extend(training_data(&path)?);
            files.push((read, weight));
        }
        let sum = Combination::Sum;
        let merged = Merged::new(self.weights, &self.config, &self.dir, files, &sum)?;
        let (config, warnings) = (merged.config().clone(), merged.warnings().to_vec());
        Ok(Self { weights: Box::new(merged), config, warnings, ..self })
    }
}

/// The last part of a path or hub id, without a revision and the ending `.gguf`.
pub(super) fn last_part(path: &str) -> String {
    let real = fs_err::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let last = real.file_name().map(|name| name.to_string_lossy().into_owned());
    let last = last.unwrap_or_else(|| "model".to_owned());
    let last = last.split('@').next().unwrap_or(&last);
    last.strip_suffix(".gguf").unwrap_or(last).to_owned()
}
