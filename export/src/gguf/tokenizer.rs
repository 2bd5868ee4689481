//! The tokenizer's files of a model folder, parsed once: `tokenizer.json`, `tokenizer_config.json` and
//! the chat templates. What they mean is decided by the files beside this one.

use std::path::{Path, PathBuf};

use formats::gguf::{Array, Metadata, Value as Gguf};
use serde_json::Value;

use super::{pre_tokenizer, special, vocabulary};
use crate::{Error, Result};
use formats::{Architecture, GenerationConfig, ModelConfig};

/// A model folder's tokenizer.
pub(super) struct TokenizerFiles {
    pub(super) path: PathBuf,
    /// `tokenizer.json`.
    pub(super) json: Value,
    /// `tokenizer_config.json`, an empty object where there is none.
    pub(super) config: Value,
    dir: PathBuf,
}

impl TokenizerFiles {
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        let Some(json) = read_json(&path)? else {
            let problem = "is missing; save the tokenizer in its fast form (transformers: \
                           AutoTokenizer.from_pretrained(...).save_pretrained(...)) beside the weights";
            return Err(Error::refused(&path, problem));
        };
        let config = read_json(&dir.join("tokenizer_config.json"))?;
        let config = config.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        Ok(Self { path, json, config, dir: dir.to_owned() })
    }

    /// An error about `tokenizer.json`.
    pub(super) fn problem(&self, problem: impl Into<String>) -> Error {
        Error::refused(&self.path, problem)
    }
}

/// Appends everything about the tokenizer to the metadata; returns what a user should know.
pub(super) fn describe(
    dir: &Path,
    config: &ModelConfig,
    generation: Option<&GenerationConfig>,
    metadata: &mut Metadata,
) -> Result<Vec<String>> {
    let files = TokenizerFiles::read(dir)?;
    let mut warnings = Vec::new();
    let vocabulary = vocabulary::read(&files, config.vocab_size, &mut warnings)?;
    let text = |text: &str| Gguf::String(text.to_owned());
    // The converter says this of Llama alone.
    let says =
        vocabulary.kind != vocabulary::Kind::Bpe || config.architecture == Architecture::Llama;
    if let Some(add) = vocabulary.adds_space.filter(|_| says) {
        metadata.set("tokenizer.ggml.add_space_prefix", Gguf::Bool(add));
    }
    metadata.set("tokenizer.ggml.model", text(vocabulary.kind.name()));
    let pre = match vocabulary.kind {
        vocabulary::Kind::Bpe => pre_tokenizer::classify(&files.json, &mut warnings),
        vocabulary::Kind::SentencePiece | vocabulary::Kind::Unigram => "default",
    };
    metadata.set("tokenizer.ggml.pre", text(pre));
    let special = special::find(&files, config, generation, &vocabulary, &mut warnings);
    metadata.set("tokenizer.ggml.tokens", Gguf::Array(Array::String(vocabulary.tokens)));
    if let Some(scores) = vocabulary.scores {
        metadata.set("tokenizer.ggml.scores", Gguf::Array(Array::F32(scores)));
    }
    metadata.set("tokenizer.ggml.token_type", Gguf::Array(Array::I32(vocabulary.types)));
    if !vocabulary.merges.is_empty() {
        metadata.set("tokenizer.ggml.merges", Gguf::Array(Array::String(vocabulary.merges)));
    }
    special.describe(metadata);
    templates(&files, metadata, &mut warnings)?;
    Ok(warnings)
}

/// The chat template and further ones by name. As in transformers, a `.jinja` file wins over
/// `tokenizer_config.json`.
fn templates(
    files: &TokenizerFiles,
    metadata: &mut Metadata,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let mut named = named_templates(files)?;
    let default = named.iter().position(|(name, _)| name == "default");
    let default = default.map(|at| named.remove(at).1);
    if default.is_none() {
        warnings.push(
            "the model has no chat template (chat_template.jinja, or `chat_template` in \
             tokenizer_config.json or chat_template.json): the file will have none either"
                .to_owned(),
        );
    }
    if !named.is_empty() {
        let names = named.iter().map(|(name, _)| name.clone()).collect();
        metadata.set("tokenizer.chat_templates", Gguf::Array(Array::String(names)));
        for (name, template) in named {
            metadata.set(format!("tokenizer.chat_template.{name}"), Gguf::String(template));
        }
    }
    if let Some(template) = default {
        metadata.set("tokenizer.chat_template", Gguf::String(template));
    }
    Ok(())
}

fn named_templates(files: &TokenizerFiles) -> Result<Vec<(String, String)>> {
    if let Some(template) = read_text(&files.dir.join("chat_template.jinja"))? {
        let mut named = vec![("default".to_owned(), template)];
        named.extend(additional_templates(&files.dir.join("additional_chat_templates"))?);
        return Ok(named);
    }
    let in_config = &files.config["chat_template"];
    let beside = read_json(&files.dir.join("chat_template.json"))?;
    let (found, file) = match (in_config, &beside) {
        (Value::Null, Some(file)) => (&file["chat_template"], "chat_template.json"),
        (found, _) => (found, "tokenizer_config.json"),
    };
    let bad = || {
        let problem = "`chat_template` must be a text or a list of {\"name\", \"template\"}";
        Error::refused(&files.dir.join(file), problem)
    };
    match found {
        Value::Null => Ok(Vec::new()),
        Value::String(template) => Ok(vec![("default".to_owned(), template.clone())]),
        Value::Array(list) => {
            let each = list.iter().map(|entry| {
                let (name, template) = (entry["name"].as_str()?, entry["template"].as_str()?);
                Some((name.to_owned(), template.to_owned()))
            });
            each.collect::<Option<_>>().ok_or_else(bad)
        }
        _ => Err(bad()),
    }
}

/// The `.jinja` files of a folder, by name; none if there is no such folder.
fn additional_templates(dir: &Path) -> Result<Vec<(String, String)>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut named = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        let (stem, extension) = (path.file_stem(), path.extension());
        if let (Some(stem), Some("jinja")) = (stem, extension.and_then(|e| e.to_str())) {
            let name = stem.to_string_lossy().into_owned();
            named.push((name, fs_err::read_to_string(&path)?));
        }
    }
    named.sort();
    Ok(named)
}

fn read_text(path: &Path) -> Result<Option<String>> {
    match fs_err::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read_json(path: &Path) -> Result<Option<Value>> {
    let Some(text) = read_text(path)? else { return Ok(None) };
    let value = serde_json::from_str(&text);
    value
        .map(Some)
        .map_err(|reason| Error::Format(formats::Error::Json { path: path.to_owned(), reason }))
}
