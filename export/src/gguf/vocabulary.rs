//! `tokenizer.json`'s tokens as llama.cpp numbers and types them: one for every row of the embedding,
//! with `[PADi]` where the tokenizer has none.

use std::collections::HashMap;

use serde_json::Value;

use super::tokenizer::TokenizerFiles;
use crate::Result;

/// How llama.cpp will cut texts into tokens (`tokenizer.ggml.model`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Merges over bytes spelt as letters: GPT-2, Llama 3, Qwen.
    Bpe,
    /// Merges by score over characters, bytes as a last resort: Llama 2.
    SentencePiece,
    /// The likeliest cut by score.
    Unigram,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bpe => "gpt2",
            Self::SentencePiece => "llama",
            Self::Unigram => "t5",
        }
    }
}

/// What a token is (`llama_token_type`).
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;
/// The score of tokens that no merge leads to.
const LOWEST: f32 = -1e6;

/// A vocabulary as GGUF stores it.
pub(super) struct Vocabulary {
    pub(super) kind: Kind,
    /// One for every row of the embedding.
    pub(super) tokens: Vec<String>,
    pub(super) types: Vec<i32>,
    /// For the kinds that have them.
    pub(super) scores: Option<Vec<f32>>,
    /// `left right`, best first; for [`Kind::Bpe`].
    pub(super) merges: Vec<String>,
    /// Whether a space is put before a text, where the tokenizer says.
    pub(super) adds_space: Option<bool>,
}

impl Vocabulary {
    /// The id of an added token by its text.
    pub(super) fn id_of(&self, text: &str) -> Option<u32> {
        let special = |&(token, kind): &(&String, &i32)| {
            token == text && matches!(*kind, CONTROL | USER_DEFINED | UNKNOWN)
        };
        let pairs = self.tokens.iter().zip(&self.types);
        let at = pairs.clone().position(|pair| special(&pair));
        let at = at.or_else(|| self.tokens.iter().position(|token| token == text));
        at.and_then(|id| u32::try_from(id).ok())
    }
}

/// Reads the vocabulary of a model whose embedding has `rows` rows.
pub(super) fn read(
    files: &TokenizerFiles,
    rows: usize,
    warnings: &mut Vec<String>,
) -> Result<Vocabulary> {
    let model = &files.json["model"];
    let kind = kind(files)?;
    let mut tokens: Vec<String> = (0..rows).map(|id| format!("[PAD{id}]")).collect();
    let mut types = vec![UNUSED; rows];
    let mut beyond = 0;
    for (token, id) in entries(files, kind)? {
        match tokens.get_mut(id) {
            Some(slot) => {
                types[id] = if kind == Kind::Bpe { NORMAL } else { piece_type(token) };
                token.clone_into(slot);
            }
            None => beyond += 1,
        }
    }
    let scores = scores(files, kind, &tokens)?;
    for added in files.json["added_tokens"].as_array().into_iter().flatten() {
        let (id, text) = added_token(files, added)?;
        if id >= rows {
            beyond += 1;
            continue;
        }
        let special = added["special"] == true || looks_special(text);
        types[id] = if special { CONTROL } else { USER_DEFINED };
        tokens[id] = if special { text.to_owned() } else { text.replace('\u{2581}', " ") };
    }
    if let Some(unknown) = model["unk_token"].as_str()
        && kind != Kind::Bpe
        && let Some(id) = tokens.iter().position(|token| token == unknown)
    {
        types[id] = UNKNOWN;
    }
    if beyond > 0 {
        warnings.push(format!(
            "{beyond} tokens of tokenizer.json lie beyond the embedding's {rows} rows and are left out"
        ));
    }
    let merges = if kind == Kind::Bpe { merges(files)? } else { Vec::new() };
    Ok(Vocabulary { kind, tokens, types, scores, merges, adds_space: adds_space(files, kind) })
}

/// The kind, by the structure of `tokenizer.json`.
fn kind(files: &TokenizerFiles) -> Result<Kind> {
    let model = &files.json["model"];
    // Files of old versions leave the type out.
    let named =
        model["type"].as_str().unwrap_or(if model["merges"].is_array() { "BPE" } else { "" });
    match named {
        "BPE" if model["byte_fallback"] == true => Ok(Kind::SentencePiece),
        "BPE" => Ok(Kind::Bpe),
        "Unigram" => Ok(Kind::Unigram),
        other => Err(files.problem(format!(
            "is a tokenizer of type `{other}`; llama.cpp runs BPE and Unigram tokenizers for these \
             models: merge to safetensors instead (wardrobe merge)"
        ))),
    }
}

/// Tokens and ids of the model, added tokens apart.
fn entries(files: &TokenizerFiles, kind: Kind) -> Result<Vec<(&str, usize)>> {
    let vocab = &files.json["model"]["vocab"];
    let found: Option<Vec<_>> = match (kind, vocab) {
        (Kind::Unigram, Value::Array(list)) => {
            list.iter().enumerate().map(|(id, entry)| Some((entry[0].as_str()?, id))).collect()
        }
        (_, Value::Object(map)) => {
            let id = |id: &Value| usize::try_from(id.as_u64()?).ok();
            map.iter().map(|(token, value)| Some((token.as_str(), id(value)?))).collect()
        }
        _ => None,
    };
    found.ok_or_else(|| files.problem("`model.vocab` must map tokens to ids; save it again"))
}

fn added_token<'a>(files: &TokenizerFiles, added: &'a Value) -> Result<(usize, &'a str)> {
    let id = added["id"].as_u64().and_then(|id| usize::try_from(id).ok());
    match (id, added["content"].as_str()) {
        (Some(id), Some(text)) => Ok((id, text)),
        _ => Err(files.problem("`added_tokens` must hold objects with `id` and `content`")),
    }
}

/// Tokens whose looks say that they steer the model, whatever the file says (the converter's rule).
fn looks_special(text: &str) -> bool {
    let within = |start: &str, end: &str| text.starts_with(start) && text.ends_with(end);
    matches!(text, "<pad>" | "<mask>" | "<2mass>" | "[@BOS@]")
        || within("<|", "|>")
        || within("<\u{ff5c}", "\u{ff5c}>")
        || within("<unused", ">")
}

/// `<0x0A>` stands for a byte.
fn piece_type(token: &str) -> i32 {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    let byte = digits.is_some_and(|d| d.len() == 2 && d.bytes().all(|b| b.is_ascii_hexdigit()));
    if byte { BYTE } else { NORMAL }
}

/// For SentencePiece, the earlier a merge stands, the higher its piece's score, so that merging by score
/// is merging by rank; for Unigram, the file's own.
fn scores(files: &TokenizerFiles, kind: Kind, tokens: &[String]) -> Result<Option<Vec<f32>>> {
    match kind {
        Kind::Bpe => Ok(None),
        Kind::Unigram => {
            let list = files.json["model"]["vocab"].as_array();
            let own = |id: usize| list.and_then(|list| list.get(id)?[1].as_f64());
            Ok(Some((0..tokens.len()).map(|id| own(id).map_or(LOWEST, |s| s as f32)).collect()))
        }
        Kind::SentencePiece => {
            let mut ranks = HashMap::new();
            for (rank, (left, right)) in merge_pairs(files)?.into_iter().enumerate() {
                ranks.entry(left + &right).or_insert(rank);
            }
            let score = |token: &String| ranks.get(token).map_or(LOWEST, |&rank| -(rank as f32));
            Ok(Some(tokens.iter().map(score).collect()))
        }
    }
}

/// `left right`, with spaces inside a part spelt as GPT-2 spells them.
fn merges(files: &TokenizerFiles) -> Result<Vec<String>> {
    let spelt = |part: String| part.replace(' ', "\u{120}");
    let pairs = merge_pairs(files)?.into_iter();
    Ok(pairs.map(|(left, right)| format!("{} {}", spelt(left), spelt(right))).collect())
}

/// The merges, whether the file writes them as `"a b"` or as `["a", "b"]`.
fn merge_pairs(files: &TokenizerFiles) -> Result<Vec<(String, String)>> {
    let pair = |merge: &Value| match merge {
        Value::String(text) => {
            text.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned()))
        }
        Value::Array(parts) if parts.len() == 2 => {
            Some((parts[0].as_str()?.to_owned(), parts[1].as_str()?.to_owned()))
        }
        _ => None,
    };
    let list = files.json["model"]["merges"].as_array();
    let pairs: Option<Vec<_>> = list.and_then(|list| list.iter().map(pair).collect());
    pairs.ok_or_else(|| files.problem("`model.merges` must be a list of pairs; save it again"))
}

/// SentencePiece puts a space before a text unless told otherwise; of BPE, the tokenizer's configuration
/// speaks.
fn adds_space(files: &TokenizerFiles, kind: Kind) -> Option<bool> {
    let said = files.config["add_prefix_space"].as_bool();
    match kind {
        Kind::Bpe => said,
        Kind::SentencePiece | Kind::Unigram => Some(said.unwrap_or_else(|| prepends(&files.json))),
    }
}

/// Whether the normalizer prepends U+2581, or the pre-tokenizer does.
fn prepends(json: &Value) -> bool {
    let steps = |value: &Value, list: &str| match value[list].as_array() {
        Some(steps) => steps.clone(),
        None => vec![value.clone()],
    };
    let normalizes =
        steps(&json["normalizer"], "normalizers").iter().any(|s| s["type"] == "Prepend");
    let metaspace = steps(&json["pre_tokenizer"], "pretokenizers").iter().any(|step| {
        let scheme = step["prepend_scheme"].as_str();
        let always = scheme.map_or(step["add_prefix_space"] != false, |scheme| scheme != "never");
        step["type"] == "Metaspace" && always
    });
    normalizes || metaspace
}
