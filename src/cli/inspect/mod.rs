//! `wardrobe inspect`: says what a folder or a file is, and what is wrong with it. It reads and never
//! runs anything; whatever it is given, it answers with sentences.

mod adapter;
mod data;
mod findings;
mod gguf;
mod model;
mod run;
mod tensors;

use crate::train::checkpoint::RUN_STATE;
use crate::train::record::RECORD;
use crate::train::trainer_state::{METRICS, TRAINER_STATE};
use anyhow::{Result, anyhow, bail};
use findings::Findings;
use formats::model_folder::{self, CONFIG, GENERATION, INDEX, WEIGHTS};
use formats::table::Kind as Table;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wardrobe inspect checkpoints/initial             a model: its shape, tensors, tokenizer, template
  wardrobe inspect checkpoints/sft --model checkpoints/initial
  wardrobe inspect model.gguf --json               one JSON object, for scripts
  wardrobe inspect data/train.jsonl")]
pub(super) struct InspectArgs {
    /// A model or adapter folder, a training run or checkpoint, a safetensors, GGUF or JSONL file.
    path: PathBuf,
    /// The base model of an adapter: loads the adapter for it as serving would.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// What a path turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Model,
    Adapter,
    Run,
    /// A folder of folders.
    Collection,
    Tensors,
    Data,
    Gguf,
}

impl InspectArgs {
    /// Prints what was found on standard output.
    ///
    /// # Errors
    /// When something is wrong with the thing, with the first sentence about it; or when there is
    /// nothing at the path that this program knows.
    pub(super) fn run(&self) -> Result<()> {
        let path = whole_thing(&self.path)?;
        let shown = path.display().to_string();
        let findings = part(Kind::of(&path)?, &path, self.model.as_deref());
        let text = if self.json {
            format!("{}\n", findings.to_json(&shown))
        } else {
            findings.to_text(&shown)
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        match findings.problems.as_slice() {
            [] => Ok(()),
            [only] if only.starts_with(&shown) => bail!("{only}"),
            [only] => bail!("{shown}: {only}"),
            [first, ..] => {
                bail!("{shown}: {} problems, the first: {first}", findings.problems.len())
            }
        }
    }
}

/// Files that, as tokenizer and templates do, make sense only with the rest of their folder.
const OF_A_FOLDER: [&str; 8] =
    [CONFIG, GENERATION, INDEX, "adapter_config.json", TRAINER_STATE, RUN_STATE, METRICS, RECORD];

/// The folder where one of its files was named, else the path itself.
fn whole_thing(path: &Path) -> Result<PathBuf> {
    let metadata = fs_err::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("{}: there is no such file or folder", path.display()),
        _ => error.into(),
    })?;
    let is_part = |name: &str| OF_A_FOLDER.contains(&name) || model_folder::is_text(name);
    let inside =
        |folder: &Path| path.strip_prefix(folder).ok()?.to_str().filter(|name| is_part(name));
    // Templates may lie one folder deeper.
    let mut folders = path.ancestors().skip(1).take(2);
    match folders.find(|folder| metadata.is_file() && inside(folder).is_some()) {
        Some(here) if here.as_os_str().is_empty() => Ok(PathBuf::from(".")),
        Some(folder) => Ok(folder.to_owned()),
        None => Ok(path.to_owned()),
    }
}

/// What was found out about one thing.
fn part(kind: Kind, path: &Path, base: Option<&Path>) -> Findings {
    match kind {
        Kind::Model => model::inspect(path),
        Kind::Adapter => adapter::inspect(path, base),
        Kind::Run => run::inspect(path, base),
        Kind::Collection => collection(path),
        Kind::Tensors => tensors::inspect_file(path),
        Kind::Data => data::inspect(path),
        Kind::Gguf => gguf::inspect(path),
    }
}

impl Kind {
    fn of(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Self::of_folder(path);
        }
        if first_bytes(path)? == *b"GGUF" {
            return Ok(Self::Gguf);
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => Ok(Self::Tensors),
            Some("jsonl" | "ndjson" | "parquet" | "csv" | "tsv") => Ok(Self::Data),
            Some("json") if first_line_is_a_record(path)? => Ok(Self::Data),
            Some("gz") if matches!(Table::of(path), Ok(Some(_))) => Ok(Self::Data),
            _ => bail!(
                "{} is of no kind that this program knows: expected a .safetensors, .gguf, .jsonl, \
                 .parquet or .csv file, or a folder",
                path.display()
            ),
        }
    }

    fn of_folder(dir: &Path) -> Result<Self> {
        if run::is_run(dir) {
            return Ok(Self::Run);
        }
        if let Some(kind) = Self::of_contents(dir) {
            return Ok(kind);
        }
        if subfolders(dir)?.iter().any(|folder| Self::of_contents(folder).is_some()) {
            return Ok(Self::Collection);
        }
        bail!(
            "{} holds nothing that this program knows: expected config.json with *.safetensors (a \
             model), adapter_config.json (an adapter) or trainer_state.json (a training checkpoint)",
            dir.display()
        )
    }

    /// The model or adapter whose files lie directly in `dir`.
    fn of_contents(dir: &Path) -> Option<Self> {
        let holds = |names: &[&str]| names.iter().any(|name| dir.join(name).exists());
        if holds(&["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"]) {
            return Some(Self::Adapter);
        }
        holds(&[CONFIG, WEIGHTS, INDEX]).then_some(Self::Model)
    }
}

/// A folder such as `checkpoints`, whose folders are models and adapters.
fn collection(dir: &Path) -> Findings {
    let mut findings = Findings::new("a folder of models and adapters");
    let Some(folders) = findings.check(subfolders(dir)) else { return findings };
    let mut names = Vec::new();
    for folder in folders {
        let Ok(kind) = Kind::of_folder(&folder) else { continue };
        let found = part(kind, &folder, None);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        findings.problems.extend(found.problems.iter().map(|problem| format!("{name}: {problem}")));
        names.push(format!("{name} ({})", found.what));
    }
    let shown = names.join("\n");
    findings.fact_as("holds", names, shown);
    findings
}

/// The folders directly below `dir`, hidden ones left out, sorted.
fn subfolders(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// Whether a `.json` file is JSONL all the same: its first line is a whole object.
fn first_line_is_a_record(path: &Path) -> std::io::Result<bool> {
    let mut line = Vec::new();
    BufReader::new(fs_err::File::open(path)?).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(&line).is_ok())
}

/// The first four bytes of a file; fewer where it is shorter are filled with zeros.
fn first_bytes(path: &Path) -> std::io::Result<[u8; 4]> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(4).read_to_end(&mut bytes)?;
    let mut first = [0; 4];
    first[..bytes.len()].copy_from_slice(&bytes);
    Ok(first)
}
