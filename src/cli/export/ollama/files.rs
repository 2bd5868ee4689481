//! The GGUF files of a package: given, or written from the model and its adapters.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use export::gguf::{
    FileType, GgufModel, GgufOptions, GgufReport, Origin, Provenance, write_gguf,
    write_gguf_adapter,
};
use export::ollama::Source;
use formats::ModelConfig;
use formats::digest::hexadecimal;
use formats::peft::AdapterFiles;
use formats::whole::Existing;
use serde_json::{Map, Value, json};

use super::OllamaArgs;
use crate::cli::adapter_args::AdapterArgs;
use crate::cli::export::source::{SourceArgs, SourceModel, last_part};
use crate::cli::loading;
use crate::cli::progress::{BYTES, Shown};
use crate::cli::training_data::training_data;
use crate::model::ModelFiles;
use crate::proof::{PackageProof, prove_same_text};

/// The files of a package.
pub(super) struct Parts {
    pub(super) gguf: Source,
    pub(super) adapters: Vec<(String, Source)>,
    pub(super) warnings: Vec<String>,
    /// What was written and how it was proven; `null` for a GGUF that was given and no adapter of ours.
    pub(super) report: Value,
}

/// An adapter of the command line.
struct Adapter {
    name: String,
    path: PathBuf,
}

/// The model, opened, with the adapter merged on if there is one to merge.
pub(super) struct Opened {
    model: SourceModel,
    /// Where it comes from.
    source: SourceArgs,
    /// Adapters that become layers of their own.
    layers: Vec<Adapter>,
}

impl Opened {
    /// The folder with tokenizer, chat template and generation settings.
    pub(super) fn dir(&self) -> &Path {
        &self.model.dir
    }

    pub(super) fn config(&self) -> &ModelConfig {
        &self.model.config
    }
}

/// Opens the model. One adapter is merged onto it, unless it is to stay one; several stay.
/// What a base that is one file has no files for is written to `room`.
pub(super) fn open(args: &OllamaArgs, room: &Path) -> Result<Opened> {
    let mut layers = args.adapter.iter().map(|text| adapter(text)).collect::<Result<Vec<_>>>()?;
    let merges = layers.len() == 1 && !args.keep_adapters && !is_gguf(&layers[0].path);
    if merges && args.gguf.is_some() {
        bail!("--gguf is packaged as it is; give --keep-adapters to lay the adapter on it");
    }
    let merged = if merges { std::mem::take(&mut layers) } else { Vec::new() };
    let adapters = AdapterArgs::whole(merged.into_iter().map(|adapter| adapter.path).next());
    let source = SourceArgs { model: args.model().to_owned(), adapters };
    Ok(Opened { model: source.open(room)?, source, layers })
}

/// `NAME=PATH`, or a path whose last part is the name.
fn adapter(text: &str) -> Result<Adapter> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
        None => (last_part(text), PathBuf::from(text)),
    };
    if !path.exists() {
        bail!("there is no adapter {}; give --adapter a folder in PEFT's layout", path.display());
    }
    Ok(Adapter { name, path })
}

fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gguf")
}

/// Writes what is not given as GGUF into `drafts`.
pub(super) fn write(args: &OllamaArgs, opened: Opened, drafts: &Path) -> Result<Parts> {
    let Opened { model, source, layers } = opened;
    if args.gguf.is_none() {
        args.verify.check_memory(&*model.weights, &model.config)?;
    }
    let mut warnings = model.warnings.clone();
    let mut adapters = Vec::new();
    let mut written: Vec<(String, PathBuf, PathBuf)> = Vec::new();
    for (at, adapter) in layers.into_iter().enumerate() {
        let layer = if is_gguf(&adapter.path) {
            Source::File(adapter.path)
        } else {
            let path = drafts.join(format!("adapter{at}.gguf"));
            warnings.extend(write_adapter(&adapter, &model, &path)?);
            written.push((adapter.name.clone(), adapter.path, path.clone()));
            Source::Draft(path)
        };
        adapters.push((adapter.name, layer));
    }
    let pairs: Vec<(&Path, &Path)> = written.iter().map(|(_, from, to)| (&**from, &**to)).collect();
    let found = args.verify.prove_adapters(&source.model, &pairs)?.into_iter().map(|it| json!(it));
    let proofs: Map<_, _> = written.iter().map(|(name, ..)| name.clone()).zip(found).collect();
    if let Some(path) = &args.gguf {
        if args.model.is_some() && !args.verify.no_verify {
            same_text(args.model(), path)?;
        }
        let gguf = Source::File(path.clone());
        let report = if proofs.is_empty() { Value::Null } else { json!({"adapters": proofs}) };
        return Ok(Parts { gguf, adapters, warnings, report });
    }
    let path = drafts.join("model.gguf");
    let prompts = args.verify.texts()?;
    let written = write_model(args, &model, &path)?;
    let proof = args.verify.prove(&source, &path, &prompts)?;
    let report = json!({
        "type": args.file_type.name(),
        "bytes": written.bytes,
        "sha256": written.sha256,
        "provenance": model.provenance,
        "proof": proof.as_ref().map(PackageProof::to_json),
        "adapters": proofs,
    });
    warnings.extend(written.warnings);
    warnings.extend(proof.and_then(|proof| proof.warning));
    Ok(Parts { gguf: Source::Draft(path), adapters, warnings, report })
}

fn write_model(args: &OllamaArgs, source: &SourceModel, path: &Path) -> Result<GgufReport> {
    let options = GgufOptions {
        file_type: args.file_type,
        importance: None,
        name: args.name.model().to_owned(),
        provenance: source.provenance.clone(),
        existing: Existing::Refuse,
    };
    let model = GgufModel { weights: &*source.weights, config: &source.config, dir: &source.dir };
    let shown = Shown::new(BYTES);
    let progress = &mut |done, all| shown.share(done, all, "written");
    let written = write_gguf(model, &options, path, progress);
    shown.finish();
    Ok(written?)
}

/// In f32, as llama.cpp's converter writes adapters.
fn write_adapter(adapter: &Adapter, base: &SourceModel, path: &Path) -> Result<Vec<String>> {
    let files = AdapterFiles::map(&adapter.path)
        .with_context(|| format!("cannot read --adapter {}", adapter.path.display()))?;
    let origin = Origin { name: adapter.name.clone(), digest: hexadecimal(&files.digest()) };
    let data = training_data(&adapter.path)?.into_iter().collect();
    let provenance = Provenance { adapters: vec![origin], data, ..base.provenance.clone() };
    let options = GgufOptions {
        file_type: FileType::F32,
        importance: None,
        name: adapter.name.clone(),
        provenance,
        existing: Existing::Refuse,
    };
    Ok(write_gguf_adapter(&files, &base.config, &options, path)?.warnings)
}

/// A file that is given must turn the same texts into the same tokens as the model whose template it
/// gets.
fn same_text(model: &str, gguf: &Path) -> Result<()> {
    let (source, package) = (ModelFiles::open(&loading::find(model)?)?, ModelFiles::open(gguf)?);
    prove_same_text(&source, &package)
        .with_context(|| format!("--gguf {} is not of --model {model}", gguf.display()))?;
    Ok(())
}
