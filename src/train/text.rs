//! The text side of a run: a base's tokenizer and chat template, or fresh ones for a fresh base.

use std::path::{Path, PathBuf};

use formats::model_folder;
use serde_json::Value;

use super::error::TrainError;
use crate::datasets::{Content, Record, read_records};
use crate::model::{AddedTokenSpec, BpeOptions, ChatTemplate, SpecialTokens, Tokenizer};

/// The template of a fresh base: ChatML with thinking.
pub const CHATML: &str = include_str!("../../recipes/chatml.jinja");

/// Added tokens of a fresh tokenizer, in the order of their ids, and whether decoding hides them.
const ADDED: [(&str, bool); 5] = [
    ("<|endoftext|>", true),
    ("<|im_start|>", true),
    ("<|im_end|>", true),
    ("<think>", false),
    ("</think>", false),
];
const EOS: &str = "<|im_end|>";
const PAD: &str = "<|endoftext|>";

/// A tokenizer, its chat template, and the files that hold them.
#[derive(Debug)]
pub struct Text {
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Conversations to text, where the model has a template.
    pub template: Option<ChatTemplate>,
    /// Ids that end a turn.
    pub ends: Vec<u32>,
    /// The filler id.
    pub pad: Option<u32>,
    /// Name and contents of each file.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Text {
    /// The tokenizer and template of a model folder.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn load(dir: &Path) -> Result<Self, TrainError> {
        let mut files = Vec::new();
        for name in model_folder::text_files(dir)? {
            let contents = fs_err::read(dir.join(&name))?;
            files.push((name, contents));
        }
        Ok(Self::new(Tokenizer::load(dir)?, ChatTemplate::load(dir)?, files))
    }

    /// A byte-level BPE of at most `vocab_size` tokens learnt from the records in `data`, with the
    /// ChatML template. `context` is written as `model_max_length`.
    ///
    /// # Errors
    /// When a file cannot be read or `vocab_size` is too small.
    pub fn trained(
        data: &[PathBuf],
        vocab_size: usize,
        context: usize,
    ) -> Result<Self, TrainError> {
        let template = ChatTemplate::new(CHATML, &SpecialTokens::default())?;
        let mut texts = Vec::new();
        for path in data {
            for record in read_records(path)? {
                texts.push(text_of(&record?.1, &template)?);
            }
        }
        let added = |&(content, special): &(&str, bool)| AddedTokenSpec {
            content: content.to_owned(),
            special,
        };
        let options = BpeOptions {
            vocab_size,
            added_tokens: ADDED.iter().map(added).collect(),
            eos: EOS.to_owned(),
            pad: Some(PAD.to_owned()),
            nfc: true,
            model_max_length: context,
        };
        let tokenizer = Tokenizer::train_bpe(&texts, &options)?;
        let files = tokenizer.files(CHATML, context)?;
        let files = files.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes()));
        let files = files.collect();
        let template = ChatTemplate::new(CHATML, tokenizer.special())?;
        Ok(Self::new(tokenizer, Some(template), files))
    }

    fn new(
        tokenizer: Tokenizer,
        template: Option<ChatTemplate>,
        files: Vec<(String, Vec<u8>)>,
    ) -> Self {
        let special = tokenizer.special();
        let ends = special.eos.iter().filter_map(|token| token.id).collect();
        let pad = special.pad.as_ref().and_then(|token| token.id);
        Self { tokenizer, template, ends, pad, files }
    }
}

/// The whole text of a record, as training will see it.
fn text_of(record: &Record, template: &ChatTemplate) -> Result<String, TrainError> {
    let render = |messages: Vec<Value>| {
        template.render(&Value::from(messages), None, false, &serde_json::Map::new())
    };
    Ok(match record {
        Record::Text(text) => text.clone(),
        Record::Messages { messages, .. } => render(messages.clone())?,
        Record::PromptCompletion { prompt, completion, .. } => match (prompt, completion) {
            (Content::Text(prompt), Content::Text(completion)) => format!("{prompt}{completion}"),
            (Content::Messages(prompt), Content::Messages(completion)) => {
                render([prompt.as_slice(), completion].concat())?
            }
            _ => String::new(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::output::write_files;
    use super::*;

    #[test]
    fn a_result_has_every_template_of_its_base() {
        let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints/initial");
        let (base, result) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in model_folder::text_files(&bundled).unwrap() {
            fs_err::copy(bundled.join(&name), base.path().join(&name)).unwrap();
        }
        let tool_use = "additional_chat_templates/tool_use.jinja";
        fs_err::create_dir(base.path().join(model_folder::MORE_TEMPLATES)).unwrap();
        fs_err::write(base.path().join(tool_use), "{{ tools }}").unwrap();
        let text = Text::load(base.path()).unwrap();
        write_files(result.path(), &text.files).unwrap();
        assert_eq!(fs_err::read_to_string(result.path().join(tool_use)).unwrap(), "{{ tools }}");
        let names = |dir: &Path| model_folder::text_files(dir).unwrap();
        assert_eq!(names(result.path()), names(base.path()));
    }
}
