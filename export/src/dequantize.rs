//! A quantized model as the dense folder it stands for: whole or not at all.
//!
//! Values are the reference implementations', rounded once to the type asked for. What is left out:
//! making up for what quantizing lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use formats::ModelConfig;
use formats::whole::{Existing, write_dir};
use serde::Serialize;

use crate::checkpoint::{Storage, write_checkpoint};
use crate::folder::{FileDigest, combined_digest, file_digests, model_digest};
use crate::front_matter::{HubCard, Relation};
use crate::gguf_weights::is_in_blocks;
use crate::license::License;
use crate::{GgufWeights, QuantizedWeights, Result, Sidecars, Weights};

/// A de-quantization that is asked for.
pub struct DequantizeRequest {
    /// The model's folder, or its GGUF file.
    pub model: PathBuf,
    /// What to call the model: its hub id, or the last part of its path.
    pub model_name: String,
    /// How the weights are stored.
    pub storage: Storage,
    /// What to do if there is a folder already.
    pub existing: Existing,
    /// The program, for the report: `wardrobe 0.1.0`.
    pub tool: String,
}

/// What became of a quantized model. The same inputs give the same report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DequantizeReport {
    /// The program, e.g. `wardrobe 0.1.0`.
    pub tool: String,
    /// The quantized model.
    pub model: String,
    /// SHA-256 of its configuration and weights.
    pub model_digest: String,
    /// The way its weights were stored: the method's name, or `gguf`.
    pub method: &'static str,
    /// Tensors in all.
    pub tensors: usize,
    /// How many of them were quantized.
    pub quantized: usize,
    /// The types that the weights are stored as now.
    pub dtypes: Vec<&'static str>,
    /// Every file of the folder but the report and the card.
    pub files: Vec<FileDigest>,
    /// SHA-256 of the lines that `sha256sum` prints for these files.
    pub digest: String,
}

/// De-quantizes and writes the folder `output`: sharded safetensors, configuration, tokenizer and
/// settings, `dequantize-report.json` and a card. `progress` is told, from any thread, the values
/// written so far and in all.
///
/// # Errors
/// A model that is not quantized or not sound, values that the type cannot hold, a target that exists,
/// a full disk; nothing is left behind then.
pub fn dequantize(
    request: &DequantizeRequest,
    output: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<DequantizeReport> {
    let source = Source::open(&request.model)?;
    let (sidecars, tied) = source.sidecars(&request.model)?;
    let tensors = source.weights().tensors();
    let own = |dtype| request.storage.dtype.unwrap_or(dtype);
    let dtypes: BTreeSet<_> = tensors.iter().map(|tensor| own(tensor.dtype)).collect();
    let mut report = DequantizeReport {
        tool: request.tool.clone(),
        model: request.model_name.clone(),
        model_digest: model_digest(&request.model)?,
        method: source.method(),
        tensors: tensors.len(),
        quantized: tensors.iter().filter(|tensor| source.is_quantized(&tensor.name)).count(),
        dtypes: dtypes.iter().map(|dtype| dtype.name()).collect(),
        files: Vec::new(),
        digest: String::new(),
    };
    let one = dtypes.first().copied().filter(|_| dtypes.len() == 1);
    write_dir(output, request.existing, |dir| -> Result<()> {
        let weights = source.weights();
        let all = tensors.iter().map(|tensor| tensor.elements() as u64).sum();
        let done = AtomicU64::new(0);
        write_checkpoint(weights, dir, request.storage, |rows| {
            let count = rows.values.len() as u64;
            progress(done.fetch_add(count, Ordering::Relaxed) + count, all);
            Ok(())
        })?;
        sidecars.write(dir, one, tied, None)?;
        report.files = file_digests(dir)?;
        report.digest = combined_digest(&report.files);
        let json = serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?;
        fs_err::write(dir.join("dequantize-report.json"), json + "\n")?;
        Ok(fs_err::write(dir.join("README.md"), card(&report, &request.model))?)
    })?;
    Ok(report)
}

/// Where quantized weights are read.
enum Source {
    Folder(QuantizedWeights),
    Gguf(Box<GgufWeights>),
}

impl Source {
    fn open(model: &Path) -> Result<Self> {
        if model.is_file() {
            return Ok(Self::Gguf(Box::new(GgufWeights::open(model)?)));
        }
        Ok(Self::Folder(QuantizedWeights::open(model)?))
    }

    fn weights(&self) -> &dyn Weights {
        match self {
            Self::Folder(weights) => weights,
            Self::Gguf(weights) => &**weights,
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Folder(weights) => weights.method(),
            Self::Gguf(_) => "gguf",
        }
    }

    fn is_quantized(&self, tensor: &str) -> bool {
        match self {
            Self::Folder(weights) => weights.is_quantized(tensor),
            Self::Gguf(weights) => weights.kind(tensor).is_some_and(is_in_blocks),
        }
    }

    /// What stands beside the weights, and whether embedding and head are tied.
    fn sidecars(&self, model: &Path) -> Result<(Sidecars, bool)> {
        Ok(match self {
            Self::Folder(_) => {
                let config = ModelConfig::read_shape(model)?;
                (Sidecars::of_folder(model), config.tie_word_embeddings)
            }
            Self::Gguf(weights) => {
                (Sidecars::of_gguf(weights)?, weights.config().tie_word_embeddings)
            }
        })
    }
}

/// `README.md`, with the hub's front matter; the licence is the one of the model at `path`.
fn card(report: &DequantizeReport, path: &Path) -> String {
    let DequantizeReport { tool, model, model_digest, method, tensors, quantized, .. } = report;
    let opening = HubCard {
        library: "transformers",
        bases: vec![model],
        // The same values, stored in another way.
        relation: Relation::Quantized,
        license: License::of_model(path),
        datasets: Vec::new(),
        tags: vec!["wardrobe"],
    };
    let dtypes = report.dtypes.join(" and ");
    format!(
        "{opening}\n# {model}, de-quantized\n\n\
         {quantized} of {tensors} tensors of {model} (`{model_digest}`) were stored by {method}; here all \
         are {dtypes}. The values are those that the quantized model computes with, so this model \
         answers as the quantized one does, and no better.\n\n\
         Made by {tool}; the same input gives the same bytes (`{}`).\n",
        report.digest
    )
}
