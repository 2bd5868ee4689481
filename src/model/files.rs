//! Where a model's configuration and weights lie: a folder in Hugging Face layout, or one GGUF file.
//! Weights are asked for by their Hugging Face names and shapes, whichever it is.

use super::gguf::{self, Stored};
use super::tensors;
use super::{ChatTemplate, TemplateError, Tokenizer, TokenizerError, WeightFormat};
use formats::gguf::GgufFile;
use formats::{Checkpoint, GenerationConfig, ModelConfig, Result, TensorView, model_folder};
use half::bf16;
use half::slice::HalfFloatSliceExt;
use kernels::PackedMatrix;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open model. Its tensors stay memory-mapped; nothing is read until it is asked for.
pub struct ModelFiles {
    config: ModelConfig,
    store: Store,
}

enum Store {
    Folder(Checkpoint),
    Gguf(Arc<GgufFile>),
}

impl ModelFiles {
    /// Opens a model: a folder with `config.json` and safetensors, or a GGUF file.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration or the weights' files.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            let (config, store) = (ModelConfig::read(path)?, Checkpoint::open(path)?);
            return Ok(Self { config, store: Store::Folder(store) });
        }
        Self::of_gguf(Arc::new(GgufFile::open(path)?))
    }

    /// Of an open GGUF file.
    ///
    /// # Errors
    /// Whatever is wrong with the metadata.
    pub fn of_gguf(file: Arc<GgufFile>) -> Result<Self> {
        Ok(Self { config: ModelConfig::from_gguf(&file)?, store: Store::Gguf(file) })
    }

    /// What kind of model this is.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The folder, or the GGUF file.
    pub fn path(&self) -> &Path {
        match &self.store {
            Store::Folder(checkpoint) => checkpoint.dir(),
            Store::Gguf(file) => file.path(),
        }
    }

    /// A fingerprint of everything that decides what the model answers: configuration, weights (by
    /// samples of large files: see [`formats::fingerprint`]), tokenizer, template, sampling defaults.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn fingerprint(&self) -> Result<[u8; 32]> {
        let checkpoint = match &self.store {
            // The head holds tokenizer and template, and may be longer than what counts of a large file.
            Store::Gguf(file) => {
                let samples = formats::fingerprint([file.path()])?;
                return Ok(Sha256::new()
                    .chain_update(file.head())
                    .chain_update(samples)
                    .finalize()
                    .into());
            }
            Store::Folder(checkpoint) => checkpoint,
        };
        let names = model_folder::deciding(checkpoint.dir())?.into_iter();
        let beside: Vec<PathBuf> = names.map(|name| checkpoint.dir().join(name)).collect();
        let weights = checkpoint.files().iter().map(|file| file.path());
        formats::fingerprint(beside.iter().map(PathBuf::as_path).chain(weights))
    }

    /// The GGUF file, where the model is one.
    pub fn gguf(&self) -> Option<&GgufFile> {
        match &self.store {
            Store::Folder(_) => None,
            Store::Gguf(file) => Some(file),
        }
    }

    /// The model's tokenizer.
    ///
    /// # Errors
    /// A tokenizer that is missing, damaged, or of a kind that this program does not run.
    pub fn tokenizer(&self) -> Result<Tokenizer, TokenizerError> {
        match &self.store {
            Store::Folder(checkpoint) => Tokenizer::load(checkpoint.dir()),
            Store::Gguf(file) => Tokenizer::from_gguf(file),
        }
    }

    /// The model's chat template, for its `tokenizer`; `None` for a plain base model.
    ///
    /// # Errors
    /// A template that is unreadable or not Jinja.
    pub fn chat_template(
        &self,
        tokenizer: &Tokenizer,
    ) -> Result<Option<ChatTemplate>, TemplateError> {
        match &self.store {
            Store::Folder(checkpoint) => ChatTemplate::load(checkpoint.dir()),
            Store::Gguf(file) => ChatTemplate::from_gguf(file, tokenizer.special()),
        }
    }

    /// The sampling defaults of the model's makers, empty where they give none.
    ///
    /// # Errors
    /// A value of a wrong type or range.
    pub fn generation_config(&self) -> Result<GenerationConfig> {
        Ok(match &self.store {
            Store::Folder(checkpoint) => {
                GenerationConfig::read(checkpoint.dir())?.unwrap_or_default()
            }
            Store::Gguf(file) => GenerationConfig::from_gguf(file)?,
        })
    }

    /// Tensors that will not be used, for the architecture has no place for them: none of a layer, no
    /// buffer and no copy of a tied head.
    ///
    /// # Errors
    /// More layers than the configuration says, or a part of a layer that would be left out.
    pub fn unused(&self) -> Result<Vec<String>> {
        let (config, path) = (&self.config, self.path());
        match &self.store {
            Store::Folder(checkpoint) => tensors::unused(checkpoint.names(), config, path),
            Store::Gguf(file) => {
                let names = file.tensors().iter().map(|tensor| tensor.name.as_str());
                tensors::unused(names, config, path)
            }
        }
    }

    /// A tensor that must be there with this shape. Of a GGUF file, quantized values become f32, and
    /// rows stand in Hugging Face's order.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape, or of a type that this program does not read.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Stored<'_>> {
        match &self.store {
            Store::Folder(checkpoint) => Ok(Stored::of(checkpoint.require(name, shape)?)),
            Store::Gguf(file) => gguf::tensor(file, &self.config, name, shape),
        }
    }

    /// A vector's values.
    pub(super) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        self.tensor(name, &[len])?.view().to_f32()
    }

    /// A matrix packed for the kernels.
    pub(super) fn matrix(
        &self,
        name: &str,
        [n, k]: [usize; 2],
        format: WeightFormat,
    ) -> Result<PackedMatrix> {
        match (&self.store, format) {
            (Store::Folder(checkpoint), _) => {
                let packed = pack(&checkpoint.require(name, &[n, k])?, format)?;
                // One copy: the packed one.
                checkpoint.release(name);
                Ok(packed)
            }
            (Store::Gguf(file), WeightFormat::Bf16) => {
                let round = |values: &[f32], out: &mut [bf16]| out.convert_from_f32_slice(values);
                let values = gguf::values(file, &self.config, (name, &[n, k]), round)?;
                Ok(PackedMatrix::pack_bf16(&values, n, k))
            }
            (Store::Gguf(file), WeightFormat::F32) => {
                let copy = |values: &[f32], out: &mut [f32]| out.copy_from_slice(values);
                let values = gguf::values(file, &self.config, (name, &[n, k]), copy)?;
                Ok(PackedMatrix::pack_f32(&values, n, k))
            }
        }
    }
}

/// A matrix of a checkpoint, whose shape has been checked.
fn pack(view: &TensorView, format: WeightFormat) -> Result<PackedMatrix> {
    let (n, k) = (view.shape[0], view.shape[1]);
    match (format, view.as_bf16()) {
        (WeightFormat::Bf16, Some(values)) => Ok(PackedMatrix::pack_bf16(&values, n, k)),
        (WeightFormat::Bf16, None) => {
            let mut rounded = vec![bf16::ZERO; n * k];
            rounded.convert_from_f32_slice(&view.to_f32()?);
            Ok(PackedMatrix::pack_bf16(&rounded, n, k))
        }
        (WeightFormat::F32, _) => Ok(PackedMatrix::pack_f32(&view.to_f32()?, n, k)),
    }
}
