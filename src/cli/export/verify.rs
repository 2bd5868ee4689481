//! The proof that follows an export: the written file is read back and compared with what was served.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use export::{DequantizeRequest, GgufWeights, Storage, Weights, dequantize, open_weights};
use formats::whole::Existing;
use formats::{Dtype, Quantization};
use indicatif::{ProgressBar, ProgressDrawTarget};

use super::drafts::drafts_beside;
use super::source::{SourceArgs, TOOL, last_part};
use crate::adapters::{self, BaseInfo};
use crate::cli::loading;
use crate::model::{AdapterWeights, ModelFiles};
use crate::proof::{PackageProof, Served, prove_gguf};

/// Whether and on what a package is proven.
#[derive(Debug, Clone, Args)]
pub(super) struct VerifyArgs {
    /// Leave out reading the file back and comparing it with what is served
    #[arg(long)]
    pub(super) no_verify: bool,
    /// Texts to compare answers on, one a line, of which the first 64 and of each the first 512 tokens are
    /// used [default: built-in conversations]
    #[arg(long, value_name = "FILE")]
    pub(super) prompts: Option<PathBuf>,
}

/// A base that can be run.
pub(super) struct Base {
    pub(super) path: PathBuf,
    weights: Box<dyn Weights>,
    /// Holds [`Self::path`] where the base had to be de-quantized to be run.
    _dense: Option<tempfile::TempDir>,
}

impl VerifyArgs {
    /// The texts, read before the long work.
    pub(super) fn texts(&self) -> Result<Vec<String>> {
        let Some(path) = &self.prompts else { return Ok(Vec::new()) };
        let text = fs_err::read_to_string(path)?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        Ok(lines.map(str::to_owned).collect())
    }

    /// Proves the file at `written` to be what `source` says; `None` with `--no-verify`.
    ///
    /// # Errors
    /// A file that is something else; `written` should then not be kept.
    pub(super) fn prove(
        &self,
        source: &SourceArgs,
        written: &Path,
        prompts: &[String],
    ) -> Result<Option<PackageProof>> {
        if self.no_verify {
            return Ok(None);
        }
        let spinner = spinner();
        let proof = prove(source, written, prompts).context(
            "nothing was written: the package does not prove itself (--no-verify writes it all the \
             same)",
        );
        spinner.finish_and_clear();
        proof.map(Some)
    }
}

fn prove(source: &SourceArgs, written: &Path, prompts: &[String]) -> Result<PackageProof> {
    let base = Base::open(&source.model, written)?;
    let info = BaseInfo::open(&base.path, "base")?;
    let mut worn: Vec<(Arc<AdapterWeights>, f32)> = Vec::new();
    for (at, path) in source.adapter.iter().enumerate() {
        let strength = source.weight.get(at).copied().unwrap_or(1.0);
        // Weights are f32, so their factor is.
        worn.push((adapters::load(path, &info)?.weights, strength as f32));
    }
    let files = ModelFiles::open(&base.path)?;
    let served = Served { files: &files, weights: &*base.weights, worn: &worn, prompts };
    Ok(prove_gguf(written, &served)?)
}

impl Base {
    pub(super) fn open(model: &str, beside: &Path) -> Result<Self> {
        let path = loading::find(model)?;
        if path.is_file() {
            let weights = Box::new(GgufWeights::open(&path)?);
            return Ok(Self { path, weights, _dense: None });
        }
        if Quantization::read(&path)?.is_none() {
            return Ok(Self { weights: open_weights(&path)?, path, _dense: None });
        }
        let dense = dense(&path, beside)?;
        let weights = open_weights(dense.path())?;
        Ok(Self { path: dense.path().to_owned(), weights, _dense: Some(dense) })
    }
}

/// A quantized model de-quantized, in f32, beside the result, where there is room for large files:
/// nothing is lost that serving it would not lose.
fn dense(model: &Path, beside: &Path) -> Result<tempfile::TempDir> {
    let folder = drafts_beside(beside)?;
    let request = DequantizeRequest {
        model: model.to_owned(),
        model_name: last_part(&model.display().to_string()),
        storage: Storage { dtype: Some(Dtype::F32), max_shard_bytes: u64::MAX },
        existing: Existing::Replace,
        tool: TOOL.to_owned(),
    };
    dequantize(&request, folder.path(), &|_, _| ())?;
    Ok(folder)
}

fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    spinner.set_message("reading the file back and comparing it with what is served");
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
