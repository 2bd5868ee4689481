//! The GGUF files of a package: given, or written from the model and its adapters.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use export::gguf::{GgufModel, GgufOptions, Origin, Provenance, write_gguf};
use export::ollama::Source;
use export::{Combination, Merged, Weights, open_weights};
use formats::ModelConfig;
use formats::peft::AdapterFiles;
use formats::whole::Existing;
use indicatif::{ProgressBar, ProgressStyle};

use super::OllamaArgs;

/// The files of a package.
pub(super) struct Parts {
    pub(super) gguf: Source,
    pub(super) adapters: Vec<(String, Source)>,
    pub(super) warnings: Vec<String>,
}

/// An adapter of the command line.
struct Adapter {
    name: String,
    path: PathBuf,
}

/// Finds or writes the files; ours lie in `drafts`.
pub(super) fn parts(args: &OllamaArgs, dir: &Path, drafts: &Path) -> Result<Parts> {
    let adapters = args.adapter.iter().map(|text| adapter(text)).collect::<Result<Vec<_>>>()?;
    let merges = adapters.len() == 1 && !args.keep_adapters && !is_gguf(&adapters[0].path);
    if let Some(gguf) = &args.gguf {
        if merges {
            bail!("--gguf is packaged as it is; give --keep-adapters to lay the adapter on it");
        }
        let gguf = Source::File(gguf.clone());
        return Ok(Parts { gguf, adapters: layers(&adapters)?, warnings: Vec::new() });
    }
    let (merged, own) = if merges { (&adapters[..], &[][..]) } else { (&[][..], &adapters[..]) };
    let own = layers(own)?;
    let path = drafts.join("model.gguf");
    let warnings = write(args, dir, merged, &path)?;
    Ok(Parts { gguf: Source::Draft(path), adapters: own, warnings })
}

fn adapter(text: &str) -> Result<Adapter> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
        None => {
            let path = PathBuf::from(text);
            let real = fs_err::canonicalize(&path)?;
            let name = if is_gguf(&path) { real.file_stem() } else { real.file_name() };
            let name = name.and_then(|name| name.to_str()).map(str::to_owned);
            (name.with_context(|| format!("--adapter {text} has no name; give NAME=PATH"))?, path)
        }
    };
    Ok(Adapter { name, path })
}

fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gguf")
}

/// Adapters as layers of their own.
fn layers(adapters: &[Adapter]) -> Result<Vec<(String, Source)>> {
    let layer = |adapter: &Adapter| {
        if !is_gguf(&adapter.path) {
            bail!(
                "{} is no GGUF file; write one with `wardrobe export gguf-adapter` and give that",
                adapter.path.display()
            );
        }
        Ok((adapter.name.clone(), Source::File(adapter.path.clone())))
    };
    adapters.iter().map(layer).collect()
}

/// Writes the model, with the adapters merged on.
fn write(args: &OllamaArgs, dir: &Path, adapters: &[Adapter], path: &Path) -> Result<Vec<String>> {
    let config = ModelConfig::read(dir)?;
    let mut origins = Vec::new();
    let mut read = Vec::new();
    for adapter in adapters {
        let files = AdapterFiles::read(&adapter.path)?;
        let digest = files.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        origins.push(Origin { name: adapter.name.clone(), digest });
        read.push((files, 1.0));
    }
    let mut warnings = Vec::new();
    let base = open_weights(dir)?;
    let (weights, config): (Box<dyn Weights>, ModelConfig) = if read.is_empty() {
        (base, config)
    } else {
        let merged = Merged::new(base, &config, dir, read, &Combination::Sum)?;
        warnings.extend(merged.warnings().iter().cloned());
        let config = merged.config().clone();
        (Box::new(merged), config)
    };
    let options = GgufOptions {
        file_type: args.file_type,
        importance: None,
        name: args.name.model().to_owned(),
        provenance: Provenance {
            tool: concat!("wardrobe ", env!("CARGO_PKG_VERSION")).to_owned(),
            base: Some(Origin { name: name_of(&args.model), digest: String::new() }),
            adapters: origins,
            data: Vec::new(),
        },
        existing: Existing::Refuse,
    };
    let model = GgufModel { weights: &*weights, config: &config, dir };
    let bar = bar();
    let report = write_gguf(model, &options, path, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    warnings.extend(report.warnings);
    Ok(warnings)
}

/// A hub id as it is, a folder's last part.
fn name_of(model: &str) -> String {
    let real = Path::new(model).is_dir().then(|| fs_err::canonicalize(model).ok()).flatten();
    let last = real.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    last.unwrap_or(model).to_owned()
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let shape = "writing GGUF {wide_bar} {decimal_bytes}/{decimal_total_bytes} {eta}";
    let style =
        ProgressStyle::with_template(shape).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}
