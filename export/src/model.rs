//! A model on disk as a whole: its weights, its configuration, and what stands beside the weights. A
//! folder in Hugging Face layout or one GGUF file, dense or quantized.

use std::path::{Path, PathBuf};

use formats::model_folder::is_text;
use formats::{Dtype, ModelConfig};
use serde_json::Value;

use crate::folder::{carry_along, write_config};
use crate::{GgufWeights, Result, Weights, open_weights};

/// A model that is open.
pub struct Model {
    /// Its weights.
    pub weights: Box<dyn Weights>,
    /// Its configuration, without what it says of quantized weights.
    pub config: ModelConfig,
    /// What stands beside the weights.
    pub sidecars: Sidecars,
}

impl Model {
    /// Opens the folder or GGUF file `path`.
    ///
    /// # Errors
    /// A configuration, weights or a file's tokenizer that this program does not read.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_file() {
            let weights = GgufWeights::open(path)?;
            let (config, sidecars) = (weights.config().clone(), Sidecars::of_gguf(&weights)?);
            return Ok(Self { weights: Box::new(weights), config, sidecars });
        }
        let config = ModelConfig::read_shape(path)?;
        let sidecars = Sidecars::of_folder(path);
        Ok(Self { weights: open_weights(path)?, config, sidecars })
    }
}

/// Configuration, tokenizer, template, settings: files of a folder, or what the metadata of a GGUF file
/// stand for.
pub struct Sidecars(Source);

enum Source {
    Folder(PathBuf),
    Made(Vec<(&'static str, Value)>),
}

impl Sidecars {
    /// Those of a model folder.
    pub fn of_folder(dir: &Path) -> Self {
        Self(Source::Folder(dir.to_owned()))
    }

    /// Those that a GGUF file stands for.
    ///
    /// # Errors
    /// A tokenizer that this program does not read.
    pub fn of_gguf(weights: &GgufWeights) -> Result<Self> {
        Ok(Self(Source::Made(weights.sidecars()?)))
    }

    /// Writes them to the folder `to`, for weights that are stored as `dtype` and whose ends are `tied`
    /// or not. The tokenizer's files come from the folder `tokenizer` where that is given.
    ///
    /// # Errors
    /// A folder without tokenizer where one is asked for; a file that cannot be read or written.
    pub fn write(
        &self,
        to: &Path,
        dtype: Option<Dtype>,
        tied: bool,
        tokenizer: Option<&Path>,
    ) -> Result<()> {
        match &self.0 {
            Source::Folder(from) => {
                write_config(from, to, dtype, tied)?;
                carry_along(Some(from), tokenizer, to)
            }
            Source::Made(files) => {
                let own = |name: &str| tokenizer.is_some() && is_text(name);
                for (name, json) in files.iter().filter(|(name, _)| !own(name)) {
                    let json = match *name {
                        "config.json" => &config(json, dtype, tied),
                        _ => json,
                    };
                    fs_err::write(to.join(name), format!("{json:#}\n"))?;
                }
                carry_along(None, tokenizer, to)
            }
        }
    }
}

fn config(json: &Value, dtype: Option<Dtype>, tied: bool) -> Value {
    let mut json = json.clone();
    if let Some(torch) = dtype.and_then(Dtype::torch_name) {
        json["torch_dtype"] = torch.into();
    }
    json["tie_word_embeddings"] = tied.into();
    json
}
