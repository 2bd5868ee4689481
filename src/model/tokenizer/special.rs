//! Which tokens play a role (bos, eos, pad, unk), from `tokenizer_config.json` or, in older
//! folders,
//! `special_tokens_map.json`. Leaves out `added_tokens_decoder`: added tokens are in
//! `tokenizer.json`.

use std::path::Path;

use serde_json::Value;

use super::TokenizerError;

/// A token with a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialToken {
    /// As the vocabulary spells it.
    pub text: String,
    /// Its id, if the vocabulary has it.
    pub id: Option<u32>,
}

/// The tokens with a role; `None` where the model has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Begin of sequence.
    pub bos: Option<SpecialToken>,
    /// End of sequence (of a turn, in chat models). `generation_config.json` may name more ids.
    pub eos: Option<SpecialToken>,
    /// Padding.
    pub pad: Option<SpecialToken>,
    /// Unknown.
    pub unk: Option<SpecialToken>,
}

impl SpecialTokens {
    /// Reads the roles in `dir`; `tokenizer_config.json` wins over `special_tokens_map.json`.
    ///
    /// # Errors
    /// A file that is not JSON, or a role that is neither null, a string nor an object with
    /// `content`.
    pub fn load(dir: &Path) -> Result<Self, TokenizerError> {
        let mut tokens = Self::default();
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let path = dir.join(name);
            let Some(json) = read_json(&path)? else { continue };
            for (key, slot) in tokens.slots() {
                if slot.is_none() {
                    *slot =
                        token_text(&json, key, &path)?.map(|text| SpecialToken { text, id: None });
                }
            }
        }
        Ok(tokens)
    }

    /// Looks up each id.
    pub(super) fn resolve(&mut self, id_of: impl Fn(&str) -> Option<u32>) {
        for (_, slot) in self.slots() {
            if let Some(token) = slot {
                token.id = id_of(&token.text);
            }
        }
    }

    /// `bos_token`, `eos_token` ... with their texts, as chat templates see them.
    pub fn named(&self) -> Vec<(&'static str, &str)> {
        let roles = [
            ("bos_token", &self.bos),
            ("eos_token", &self.eos),
            ("pad_token", &self.pad),
            ("unk_token", &self.unk),
        ];
        roles
            .into_iter()
            .filter_map(|(key, slot)| Some((key, slot.as_ref()?.text.as_str())))
            .collect()
    }

    fn slots(&mut self) -> [(&'static str, &mut Option<SpecialToken>); 4] {
        [
            ("bos_token", &mut self.bos),
            ("eos_token", &mut self.eos),
            ("pad_token", &mut self.pad),
            ("unk_token", &mut self.unk),
        ]
    }
}

fn token_text(json: &Value, key: &str, path: &Path) -> Result<Option<String>, TokenizerError> {
    match json.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Object(token)) if token.get("content").is_some_and(Value::is_string) => {
            Ok(token["content"].as_str().map(str::to_owned))
        }
        Some(other) => Err(TokenizerError::Invalid {
            path: path.to_owned(),
            reason: format!("`{key}` must be a string or an object with `content`, found {other}"),
        }),
    }
}

/// The JSON in `path`, or `None` where there is no such file.
fn read_json(path: &Path) -> Result<Option<Value>, TokenizerError> {
    let text = match fs_err::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(reason) => return Err(TokenizerError::Read { path: path.to_owned(), reason }),
    };
    serde_json::from_str(&text).map(Some).map_err(|error| TokenizerError::Invalid {
        path: path.to_owned(),
        reason: format!("it is not JSON ({error})"),
    })
}
