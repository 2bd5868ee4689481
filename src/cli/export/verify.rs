//! The proof that follows an export: the written file is read back and compared with what was served.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use export::{
    DequantizeRequest, GgufWeights, Storage, TensorInfo, Weights, dequantize, open_weights,
};
use formats::whole::{DraftRoom, Existing};
use formats::{Dtype, ModelConfig, Quantization};
use indicatif::{ProgressBar, ProgressDrawTarget};

use super::source::{SourceArgs, last_part};
use crate::TOOL;
use crate::adapters::{self, BaseInfo};
use crate::cli::{loading, memory};
use crate::model::AdapterWeights;
use crate::proof::{self, AdapterProof, PackageProof, Served, prove_adapter, prove_gguf};

/// Whether and on what a package is proven.
#[derive(Debug, Clone, Args)]
pub(super) struct VerifyArgs {
    /// Leave out reading the file back and comparing it with what is served. Comparing runs the base and
    /// then the package, each with 2 bytes a weight in memory: 1.3 GB for 0.5B weights, 17 GB for 7B
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
    _dense: Option<DraftRoom>,
}

impl VerifyArgs {
    /// The texts, read before the long work.
    pub(super) fn texts(&self) -> Result<Vec<String>> {
        let Some(path) = &self.prompts else { return Ok(Vec::new()) };
        let text = fs_err::read_to_string(path)?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        Ok(lines.map(str::to_owned).collect())
    }

    /// Refuses, before the long work, a proof that this machine has no memory for.
    ///
    /// # Errors
    /// The figures and the way out.
    pub(super) fn check_memory(&self, model: &dyn Weights, config: &ModelConfig) -> Result<()> {
        if self.no_verify {
            return Ok(());
        }
        let weights = model.tensors().iter().map(TensorInfo::elements).sum();
        fits(proof::memory(weights, config), memory::physical())
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
        proven(|| prove(source, written, prompts)).map(Some)
    }

    /// Proves that GGUF adapters are adapters as they are worn on `model`, each given as its folder and
    /// the written file; nothing with `--no-verify`.
    ///
    /// # Errors
    /// As [`prove`](Self::prove).
    pub(super) fn prove_adapters(
        &self,
        model: &str,
        adapters: &[(&Path, &Path)],
    ) -> Result<Vec<AdapterProof>> {
        let Some((_, first)) = adapters.first().filter(|_| !self.no_verify) else {
            return Ok(Vec::new());
        };
        proven(|| {
            let base = Base::open(model, first)?;
            let info = BaseInfo::open(&base.path, "base")?;
            let prove = |(adapter, written): &(&Path, &Path)| {
                let worn = adapters::load(adapter, &info)?.weights;
                Ok(prove_adapter(written, &worn, &info.config)?)
            };
            adapters.iter().map(prove).collect()
        })
    }
}

/// Refuses a proof that takes `needed` bytes where there are fewer.
fn fits(needed: usize, physical: Option<usize>) -> Result<()> {
    match physical {
        Some(physical) if needed > physical => bail!(
            "the proof runs the model, which takes {:.1} GB of memory where this machine has {:.1}; \
             give --no-verify, and prove the package on a larger one",
            needed as f64 / 1e9,
            physical as f64 / 1e9
        ),
        _ => Ok(()),
    }
}

/// Says of a proof that fails what becomes of the package.
fn proven<T>(prove: impl FnOnce() -> Result<T>) -> Result<T> {
    let spinner = spinner();
    let proof = prove();
    spinner.finish_and_clear();
    proof.map_err(|error| match error.downcast_ref() {
        Some(proof::Error::Disproven(_)) => error.context(
            "nothing was written: the package does not prove itself (--no-verify writes it all the \
             same)",
        ),
        _ => error.context(
            "nothing was written: the package could not be proven (--no-verify writes it unproven)",
        ),
    })
}

fn prove(source: &SourceArgs, written: &Path, prompts: &[String]) -> Result<PackageProof> {
    let base = Base::open(&source.model, written)?;
    let info = BaseInfo::open(&base.path, "base")?;
    let mut worn: Vec<(Arc<AdapterWeights>, f32)> = Vec::new();
    for (path, weight) in source.adapters.weighed()? {
        // Weights are f32, so their factor is.
        worn.push((adapters::load(&path, &info)?.weights, weight as f32));
    }
    let served = Served { files: info.files(), weights: &*base.weights, worn: &worn, prompts };
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
        let room = DraftRoom::beside(beside)?;
        let path = dense(&path, room.path())?;
        Ok(Self { weights: open_weights(&path)?, path, _dense: Some(room) })
    }
}

/// A quantized model de-quantized, in f32, in a folder of `room`: nothing is lost that serving it would
/// not lose. Beside the result there is space for large files.
fn dense(model: &Path, room: &Path) -> Result<PathBuf> {
    let folder = room.join("dense");
    let request = DequantizeRequest {
        model: model.to_owned(),
        model_name: last_part(&model.display().to_string()),
        storage: Storage { dtype: Some(Dtype::F32), max_shard_bytes: u64::MAX },
        existing: Existing::Replace,
        tool: TOOL.to_owned(),
    };
    dequantize(&request, &folder, &|_, _| ())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_that_takes_more_than_there_is_is_refused() {
        fits(1_150_000_000, Some(1_150_000_000)).unwrap();
        fits(usize::MAX, None).unwrap();
        let sentence = fits(15_600_000_000, Some(8_200_000_000)).unwrap_err().to_string();
        assert!(sentence.contains("takes 15.6 GB of memory where this machine has 8.2; give"));
    }
}
