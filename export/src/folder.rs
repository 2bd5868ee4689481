//! The files around the weights of a model folder: configuration, tokenizer, template, settings;
//! and the digests of files and folders.

use crate::{Error, Result};
use formats::config::rewrite_config;
use formats::digest::{sha256, sha256_from};
use formats::model_folder::{self, CONFIG, is_text};
use formats::{Checkpoint, Dtype};
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Files that hold weights, whatever their framework, or states of training.
const WEIGHTS: [&str; 18] = [
    "safetensors",
    "bin",
    "pt",
    "pth",
    "ckpt",
    "gguf",
    "ggml",
    "onnx",
    "onnx_data",
    "h5",
    "msgpack",
    "ot",
    "npz",
    "npy",
    "pb",
    "tflite",
    "zip",
    "gz",
];
/// Files that are written anew, or that say something of the old weights only, such as the log of
/// their training.
const REPLACED: [&str; 12] = [
    CONFIG,
    "README.md",
    "merge-report.json",
    "export-report.json",
    "adapter_config.json",
    "dequantize-report.json",
    "quantize_config.json",
    "quant_config.json",
    "metrics.jsonl",
    "run_state.json",
    "trainer_state.json",
    "training.json",
];

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FileDigest {
    /// Its path in the folder.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// Writes the `config.json` of the model in `from` to `to`, for weights stored as `dtype`.
///
/// # Errors
/// A configuration that cannot be read, or a file that cannot be written.
pub fn write_config(from: &Path, to: &Path, dtype: Option<Dtype>, tied: bool) -> Result<()> {
    let config = rewrite_config(from, dtype, tied)?;
    Ok(fs_err::write(to.join(CONFIG), format!("{config:#}\n"))?)
}

/// Copies what stands beside the weights of the model in `from`, if it is a folder, to `to`: tokenizer,
/// chat template, generation settings, licence. The tokenizer's files come from `tokenizer` where that is
/// given.
///
/// # Errors
/// A folder without tokenizer where one is asked for; a file that cannot be copied.
pub fn carry_along(from: Option<&Path>, tokenizer: Option<&Path>, to: &Path) -> Result<()> {
    if let Some(from) = from {
        let own = |name: &str| tokenizer.is_some() && is_text(name);
        for name in side_files(from)?.iter().filter(|name| !own(name)) {
            copy(from, name, to)?;
        }
    }
    let Some(tokenizer) = tokenizer else { return Ok(()) };
    let found = model_folder::text_files(tokenizer)?;
    if !found.iter().any(|name| name.starts_with("tokenizer.")) {
        let problem = "holds no tokenizer.json; expected the folder of a tokenizer";
        return Err(Error::refused(tokenizer, problem));
    }
    found.iter().try_for_each(|name| copy(tokenizer, name, to))
}

/// Copies the file `name` of one folder to another, with the folder that it lies in.
fn copy(from: &Path, name: &str, to: &Path) -> Result<()> {
    if let Some((folder, _)) = name.rsplit_once('/') {
        fs_err::create_dir_all(to.join(folder))?;
    }
    fs_err::copy(from.join(name), to.join(name))?;
    Ok(())
}

/// Which of the files that decide how text becomes tokens differ between two folders, where both have
/// them: the tokenizer itself and the chat template.
pub(crate) fn other_tokenizer(base: &Path, adapter: &Path) -> Option<&'static str> {
    ["chat_template.jinja", "tokenizer.json"].into_iter().find(|name| {
        let (base, adapter) = (fs_err::read(base.join(name)), fs_err::read(adapter.join(name)));
        matches!((base, adapter), (Ok(base), Ok(adapter)) if base != adapter)
    })
}

/// What stands beside the weights, as paths in the folder: of its subfolders the templates alone.
fn side_files(dir: &Path) -> Result<Vec<String>> {
    let mut names = model_folder::text_files(dir)?;
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        // Links are followed: the hub's cache consists of them.
        let is_file = fs_err::metadata(entry.path())?.is_file();
        let Ok(name) = entry.file_name().into_string() else { continue };
        let extension = Path::new(&name).extension().and_then(|e| e.to_str()).unwrap_or_default();
        let passed_over = name.starts_with('.')
            || name.ends_with(".index.json")
            || WEIGHTS.contains(&extension)
            || REPLACED.contains(&name.as_str());
        if is_file && !passed_over {
            names.push(name);
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Every file of a folder and of the folders in it with its digest, by name.
///
/// # Errors
/// A file that cannot be read.
pub fn file_digests(dir: &Path) -> Result<Vec<FileDigest>> {
    let mut names = Vec::new();
    add_names(dir, "", &mut names)?;
    let digest =
        |name: &String| Ok(FileDigest { name: name.clone(), ..file_digest(&dir.join(name))? });
    let mut files: Vec<FileDigest> = names.par_iter().map(digest).collect::<Result<_>>()?;
    files.sort();
    Ok(files)
}

/// Adds the path in `dir` of every file below its folder `folder`.
fn add_names(dir: &Path, folder: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in fs_err::read_dir(dir.join(folder))? {
        let entry = entry?;
        let name = Path::new(folder).join(entry.file_name()).to_string_lossy().into_owned();
        match entry.path().is_dir() {
            true => add_names(dir, &name, names)?,
            false => names.push(name),
        }
    }
    Ok(())
}

/// The digest of a model: of its configuration and its files of weights, whatever the folder is called
/// and whatever stands beside them. A GGUF file is one file of weights.
///
/// # Errors
/// A file that cannot be read.
pub fn model_digest(model: &Path) -> Result<String> {
    let paths: Vec<PathBuf> = if model.is_file() {
        vec![model.to_owned()]
    } else {
        let checkpoint = Checkpoint::open(model)?;
        let weights = checkpoint.files().iter().map(|file| file.path().to_owned());
        weights.chain([model.join(CONFIG)]).collect()
    };
    let mut files: Vec<FileDigest> =
        paths.par_iter().map(|path| file_digest(path)).collect::<Result<_>>()?;
    files.sort();
    Ok(combined_digest(&files))
}

/// One digest for several files: SHA-256 of the lines that `sha256sum` prints for them in this order.
pub fn combined_digest(files: &[FileDigest]) -> String {
    let lines = files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name));
    sha256(lines.collect::<String>())
}

fn file_digest(path: &Path) -> Result<FileDigest> {
    let (sha256, bytes) = sha256_from(&mut fs_err::File::open(path)?)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(FileDigest { name, bytes, sha256 })
}
