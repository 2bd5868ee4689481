//! A merged model as a package: a folder in Hugging Face layout with its report and its card, whole
//! or not at all.

use super::report::{BaseChoice, MergeReport, RowsChange, Source, WeightedSource, modules};
use super::{Combination, Merged, card};
use crate::checkpoint::{Storage, Written, write_checkpoint};
use crate::folder::{combined_digest, file_digests, model_digest, other_tokenizer};
use crate::{Error, Model, Result, Weights};
use formats::Dtype;
use formats::digest::hexadecimal;
use formats::peft::AdapterFiles;
use formats::whole::{Existing, write_dir};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A merge that is asked for.
#[derive(Clone, Debug)]
pub struct MergeRequest {
    /// The base's folder, or its GGUF file.
    pub model: PathBuf,
    /// What to call the base: its hub id, or the last part of its path.
    pub model_name: String,
    /// Why this base, where there was a choice.
    pub choice: Option<BaseChoice>,
    /// Folders of adapters, with their weights; at least one.
    pub adapters: Vec<(PathBuf, f64)>,
    /// What the adapters were trained on, where that is known.
    pub data: Vec<Source>,
    /// How several become one.
    pub combination: Combination,
    /// By its name.
    pub combine: String,
    /// How the weights are stored.
    pub storage: Storage,
    /// The folder to take the tokenizer and chat template from, if not the base's.
    pub tokenizer: Option<PathBuf>,
    /// What to do if there is a folder already.
    pub existing: Existing,
    /// The program, for the report: `wardrobe 0.1.0`.
    pub tool: String,
}

/// Merges and writes the folder `output`: sharded safetensors, configuration, tokenizer and settings,
/// `merge-report.json` and a card. `progress` is told, from any thread, the values written so far and
/// in all.
///
/// # Errors
/// An adapter that does not fit, values that the type cannot hold, a target that exists, a full disk;
/// nothing is left behind then.
pub fn merge(
    request: &MergeRequest,
    output: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<MergeReport> {
    let model = &request.model;
    let Model { weights, config, sidecars } = Model::open(model)?;
    let (mut adapters, mut sources, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for (dir, weight) in &request.adapters {
        let files = AdapterFiles::map(dir)?;
        let source = Source { name: last_part(dir), digest: hexadecimal(&files.digest()) };
        warnings.extend(other_base(&files, &request.model_name));
        warnings.extend(other_tokenizer(model, dir).filter(|_| request.tokenizer.is_none()).map(
            |name| {
                let adapter = &source.name;
                format!("{adapter} holds another {name} than the base, whose is carried along")
            },
        ));
        sources.push(WeightedSource { source, weight: *weight });
        adapters.push((files, *weight));
    }
    let merged = Merged::new(weights, &config, model, adapters, &request.combination)?;
    warnings.extend(merged.warnings().iter().cloned());
    let base = Source { name: request.model_name.clone(), digest: model_digest(model)? };
    let mut report = MergeReport {
        tool: request.tool.clone(),
        base,
        base_choice: request.choice.clone(),
        adapters: sources,
        data: request.data.clone(),
        combine: request.combine.clone(),
        dtypes: Vec::new(),
        tie_word_embeddings: merged.config().tie_word_embeddings,
        modules: Vec::new(),
        total: Default::default(),
        warnings,
        files: Vec::new(),
        digest: String::new(),
    };
    write_dir(output, request.existing, |dir| {
        let one = write_weights(dir, request, &merged, &mut report, progress)?;
        let tied = merged.config().tie_word_embeddings;
        sidecars.write(dir, one, tied, request.tokenizer.as_deref())?;
        report.files = file_digests(dir)?;
        report.digest = combined_digest(&report.files);
        let json = serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?;
        fs_err::write(dir.join("merge-report.json"), json + "\n")?;
        Ok::<_, Error>(fs_err::write(dir.join("README.md"), card::text(&report, model))?)
    })?;
    Ok(report)
}

/// Writes the weights and what became of them; gives the type that all are stored as, if it is one.
fn write_weights(
    dir: &Path,
    request: &MergeRequest,
    merged: &Merged,
    report: &mut MergeReport,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Option<Dtype>> {
    let all = merged.tensors().iter().map(|tensor| tensor.elements() as u64).sum();
    let done = AtomicU64::new(0);
    let Written { tensors, .. } = write_checkpoint(merged, dir, request.storage, |rows| {
        let change = RowsChange::of(merged, rows);
        let count = rows.values.len() as u64;
        progress(done.fetch_add(count, Ordering::Relaxed) + count, all);
        change
    })?;
    (report.modules, report.total) = modules(&tensors);
    let own = |dtype| request.storage.dtype.unwrap_or(dtype);
    let dtypes: BTreeSet<_> = merged.tensors().iter().map(|tensor| own(tensor.dtype)).collect();
    report.dtypes = dtypes.iter().map(|dtype| dtype.name()).collect();
    Ok(dtypes.first().copied().filter(|_| dtypes.len() == 1))
}

/// A sentence if the adapter names another base than this. Folders are called as people like, so
/// this proves nothing; shapes that differ have been refused.
fn other_base(files: &AdapterFiles, model: &str) -> Option<String> {
    let named =
        files.config().base_model_name_or_path.as_deref().filter(|name| !name.is_empty())?;
    let other =
        last_part(Path::new(named)).to_lowercase() != last_part(Path::new(model)).to_lowercase();
    let adapter = last_part(files.dir());
    other.then(|| format!("{adapter} names the base {named}, this is {model}; the shapes fit"))
}

fn last_part(path: &Path) -> String {
    path.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
