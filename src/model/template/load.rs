//! Where a model folder keeps its chat template: `chat_template.jinja` (with
//! `additional_chat_templates/`), or `chat_template` in `tokenizer_config.json` or else in
//! `chat_template.json`, a text or a list of named texts. And where a GGUF file keeps it:
//! `tokenizer.chat_template`.

use std::path::{Path, PathBuf};

use formats::gguf::GgufFile;
use serde_json::Value;

use super::{ChatTemplate, TemplateError, engine};
use crate::model::tokenizer::{SpecialTokens, TokenizerError};

/// A template's text and the file it came from.
struct Found {
    source: String,
    path: PathBuf,
}

impl ChatTemplate {
    /// Reads the template of the model in `dir`; `None` where it has none (a plain base model).
    ///
    /// A template named `tool_use` is used for conversations with tools, as transformers does.
    ///
    /// # Errors
    /// A file that is unreadable, malformed, or not a Jinja template.
    pub fn load(dir: &Path) -> Result<Option<Self>, TemplateError> {
        let (mut default, mut tool_use) = from_json(&dir.join("tokenizer_config.json"))?;
        if let Some(found) = from_file(dir.join("chat_template.jinja"))? {
            default = Some(found);
            tool_use = from_file(dir.join("additional_chat_templates/tool_use.jinja"))?;
        } else if default.is_none() {
            (default, tool_use) = from_json(&dir.join("chat_template.json"))?;
        }
        let Some(default) = default else { return Ok(None) };
        let mut template =
            Self::new(&default.source, &special(dir)?).map_err(|error| at(&default, error))?;
        if let Some(tools) = tool_use {
            template.add_tool_use(&tools)?;
        }
        Ok(Some(template))
    }
}

impl ChatTemplate {
    /// The template that a model's GGUF file holds, with its `tool_use` one if there is any; `None`
    /// where it has none. `special` are its tokenizer's.
    ///
    /// # Errors
    /// What is not a Jinja template.
    pub fn from_gguf(
        file: &GgufFile,
        special: &SpecialTokens,
    ) -> Result<Option<Self>, TemplateError> {
        let found = |key: &str| {
            let source = file.metadata().str(key)?.to_owned();
            Some(Found { source, path: file.path().to_owned() })
        };
        let Some(default) = found("tokenizer.chat_template") else { return Ok(None) };
        let mut template =
            Self::new(&default.source, special).map_err(|error| at(&default, error))?;
        if let Some(tools) = found("tokenizer.chat_template.tool_use") {
            template.add_tool_use(&tools)?;
        }
        Ok(Some(template))
    }

    fn add_tool_use(&mut self, tools: &Found) -> Result<(), TemplateError> {
        engine::add(&mut self.env, engine::TOOL_USE, &tools.source)
            .map_err(|error| at(tools, TemplateError::Render(engine::sentence(&error))))?;
        self.has_tool_use = true;
        Ok(())
    }
}

/// The templates in a file of JSON: (default, tool_use).
fn from_json(path: &Path) -> Result<(Option<Found>, Option<Found>), TemplateError> {
    let Some(text) = read(path)? else { return Ok((None, None)) };
    let invalid = |reason: String| TemplateError::Invalid { path: path.to_owned(), reason };
    let config: Value = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("it is not JSON ({error})")))?;
    let found = |source: &str| Found { source: source.to_owned(), path: path.to_owned() };
    let list = match config.get("chat_template") {
        None | Some(Value::Null) => return Ok((None, None)),
        Some(Value::String(source)) => return Ok((Some(found(source)), None)),
        Some(Value::Array(list)) => list,
        Some(_) => {
            return Err(invalid(
                "`chat_template` must be a text or a list of named texts".to_owned(),
            ));
        }
    };
    let named = |name: &str| {
        let entry = list.iter().find(|entry| entry["name"] == name)?;
        entry["template"].as_str().map(found)
    };
    let default = named("default").ok_or_else(|| {
        invalid(
            "`chat_template` is a list without an entry {\"name\": \"default\", \"template\": ...}"
                .to_owned(),
        )
    })?;
    Ok((Some(default), named("tool_use")))
}

fn from_file(path: PathBuf) -> Result<Option<Found>, TemplateError> {
    Ok(read(&path)?.map(|source| Found { source, path }))
}

fn special(dir: &Path) -> Result<SpecialTokens, TemplateError> {
    SpecialTokens::load(dir).map_err(|error| match error {
        TokenizerError::Read { path, reason } => TemplateError::Read { path, reason },
        TokenizerError::Invalid { path, reason } => TemplateError::Invalid { path, reason },
        other => TemplateError::Render(other.to_string()),
    })
}

fn at(found: &Found, error: TemplateError) -> TemplateError {
    TemplateError::Invalid {
        path: found.path.clone(),
        reason: match error {
            TemplateError::Render(problem) => format!("it is not a chat template: {problem}"),
            other => format!("it is not a chat template: {other}"),
        },
    }
}

fn read(path: &Path) -> Result<Option<String>, TemplateError> {
    match fs_err::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(TemplateError::Read { path: path.to_owned(), reason }),
    }
}
