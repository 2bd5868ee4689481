//! Log-probabilities in the two shapes of the API: chat's list of tokens with bytes, and the older
//! four parallel lists of completions with `text_offset`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::fields::Fields;
use crate::engine::TokenLogprob;
use crate::model::Tokenizer;

/// JSON has no infinity; OpenAI writes this for a probability of zero.
const FLOOR: f32 = -9999.0;

/// How tokens are named in the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenNames {
    /// By their text.
    Text,
    /// As `token_id:N` (vLLM's `return_tokens_as_token_ids`), which no two tokens share.
    Ids,
}

/// vLLM's fields about how tokens are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenView {
    /// How they are named where log-probabilities are listed.
    pub(crate) names: TokenNames,
    /// Whether the ids of prompt and answer are sent along.
    pub(crate) ids: bool,
}

impl TokenView {
    /// Reads `return_tokens_as_token_ids` and `return_token_ids`.
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        let named = fields.boolean("return_tokens_as_token_ids")?.unwrap_or(false);
        let names = if named { TokenNames::Ids } else { TokenNames::Text };
        Ok(Self { names, ids: fields.boolean("return_token_ids")?.unwrap_or(false) })
    }
}

/// Names tokens.
#[derive(Clone, Copy)]
pub(crate) struct TokenNamer<'a> {
    /// Knows their bytes.
    pub(crate) tokenizer: &'a Tokenizer,
    /// By which name.
    pub(crate) names: TokenNames,
}

impl TokenNamer<'_> {
    /// The bytes a token stands for; none for an id that only pads the model's vocabulary.
    pub(crate) fn bytes(&self, id: u32) -> Vec<u8> {
        self.tokenizer.token_bytes(id).unwrap_or_default()
    }

    /// A token's name. Bytes that are no text by themselves are written as OpenAI writes them:
    /// `bytes:\xe2\x80`.
    fn name(&self, id: u32, bytes: &[u8]) -> String {
        if self.names == TokenNames::Ids {
            return format!("token_id:{id}");
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
                format!("bytes:{hex}")
            }
        }
    }

    fn entry(&self, id: u32, logprob: f32) -> Map<String, Value> {
        let bytes = self.bytes(id);
        let mut entry = Map::new();
        entry.insert("token".into(), self.name(id, &bytes).into());
        entry.insert("logprob".into(), logprob.max(FLOOR).into());
        entry.insert("bytes".into(), bytes.into());
        entry
    }

    /// One element of chat's `logprobs.content`.
    pub(crate) fn chat(&self, token: &TokenLogprob) -> Value {
        let mut entry = self.entry(token.id, token.logprob);
        let top = token.top.iter().map(|&(id, logprob)| Value::Object(self.entry(id, logprob)));
        entry.insert("top_logprobs".into(), top.collect());
        Value::Object(entry)
    }
}

/// Completions' `logprobs`, filled token by token.
#[derive(Debug, Default)]
pub(crate) struct CompletionLogprobs {
    tokens: Vec<String>,
    token_logprobs: Vec<Option<f32>>,
    top_logprobs: Vec<Value>,
    text_offset: Vec<usize>,
}

impl CompletionLogprobs {
    /// Adds a token that begins at `offset` characters into the choice's text. `None` stands for the
    /// first token of a prompt, which nothing predicts.
    pub(crate) fn push(
        &mut self,
        namer: TokenNamer<'_>,
        id: u32,
        logprob: Option<&TokenLogprob>,
        offset: usize,
    ) {
        let name = namer.name(id, &namer.bytes(id));
        self.top_logprobs.push(logprob.map_or(Value::Null, |logprob| top(namer, logprob)));
        self.token_logprobs.push(logprob.map(|logprob| logprob.logprob.max(FLOOR)));
        self.tokens.push(name);
        self.text_offset.push(offset);
    }

    /// The wire object.
    pub(crate) fn into_json(self) -> Value {
        json!({
            "tokens": self.tokens,
            "token_logprobs": self.token_logprobs,
            "top_logprobs": self.top_logprobs,
            "text_offset": self.text_offset,
        })
    }
}

/// The best tokens and the chosen one. Where two tokens share a name, the more probable one's figure
/// stands, so that "is the chosen token the best" is answered rightly.
fn top(namer: TokenNamer<'_>, token: &TokenLogprob) -> Value {
    let mut map = Map::new();
    let mut seen = HashSet::new();
    let chosen = [(token.id, token.logprob)];
    for &(id, logprob) in token.top.iter().chain(&chosen) {
        if !seen.insert(id) {
            continue;
        }
        let name = namer.name(id, &namer.bytes(id));
        let logprob = f64::from(logprob.max(FLOOR));
        match map.get(&name).and_then(Value::as_f64) {
            Some(other) if other >= logprob => {}
            _ => drop(map.insert(name, logprob.into())),
        }
    }
    Value::Object(map)
}

/// Where each token of a text begins, in characters (Python's `len`).
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    characters: usize,
    bytes: usize,
}

impl Offsets {
    /// The offset of the next token, given its bytes: a character belongs to the token that holds
    /// its first byte.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> usize {
        let offset = self.characters;
        self.characters += bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
        self.bytes += bytes.len();
        offset
    }

    /// The same for a token of a known text: a special token that the tokenizer added, and that is
    /// not in the text, takes no room.
    pub(crate) fn next_in(&mut self, text: &str, bytes: &[u8], special: bool) -> usize {
        let rest = text.as_bytes().get(self.bytes..).unwrap_or_default();
        if special && !rest.starts_with(bytes) { self.characters } else { self.next(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_characters_and_not_bytes() {
        let mut offsets = Offsets::default();
        let tokens: [&[u8]; 4] = ["né".as_bytes(), &[0xE2, 0x82], &[0xAC], b" x"];
        let got: Vec<usize> = tokens.iter().map(|bytes| offsets.next(bytes)).collect();
        assert_eq!(got, [0, 2, 3, 3], "the euro sign's last byte begins no character");
    }

    #[test]
    fn a_special_token_that_the_text_lacks_takes_no_room() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.next_in("hi<s>", b"<s>", true), 0);
        assert_eq!(offsets.next_in("hi<s>", b"hi", false), 0);
        assert_eq!(offsets.next_in("hi<s>", b"<s>", true), 2);
        assert_eq!(offsets.next(b"x"), 5);
    }
}
