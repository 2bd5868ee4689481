//! `tokenizer.json` from a GGUF file's metadata: byte-level BPE, as Qwen, Llama 3 and SmolLM use it, and
//! SentencePiece BPE, as Llama 2 does.
//!
//! GGUF keeps what a SentencePiece model is made of, pieces and their scores; the merges that
//! `tokenizer.json` wants instead follow from them (`SentencePieceExtractor` of transformers).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::pre_tokenizer::{byte_level, rules};
use super::special::special;
use crate::gguf::{Array, GgufFile};
use crate::{Error, Result};

/// `tokenizer.ggml.token_type`.
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
/// Bytes of the longest SentencePiece piece: finding its merges costs the square of its length. Trainers
/// stop at 16 characters.
const LONGEST_PIECE: usize = 512;

/// The `tokenizer.json` of the model in `file`.
///
/// # Errors
/// [`Error::Malformed`] for metadata that are missing or of different lengths,
/// [`Error::Unsupported`] for a kind of tokenizer that this program does not read.
pub fn tokenizer_json(file: &GgufFile) -> Result<Value> {
    let vocabulary = Vocabulary::read(file)?;
    match file.metadata().str("tokenizer.ggml.model") {
        Some("gpt2") => byte_pairs(file, &vocabulary),
        Some("llama") => sentence_pieces(file, &vocabulary),
        kind => {
            let advice = "expected gpt2 or llama; use the model in Hugging Face layout";
            let feature = format!("`tokenizer.ggml.model` {kind:?}");
            Err(Error::unsupported(file.path(), feature, advice))
        }
    }
}

struct Vocabulary<'a> {
    tokens: &'a [String],
    kinds: &'a [i32],
}

impl<'a> Vocabulary<'a> {
    fn read(file: &'a GgufFile) -> Result<Self> {
        let metadata = file.metadata();
        let tokens = metadata.strings("tokenizer.ggml.tokens").ok_or_else(|| {
            let problem = "has no `tokenizer.ggml.tokens`; it carries no tokenizer";
            Error::malformed(file.path(), problem)
        })?;
        let kinds = match metadata.array("tokenizer.ggml.token_type") {
            Some(Array::I32(kinds)) if kinds.len() == tokens.len() => kinds.as_slice(),
            None => &[],
            Some(_) => {
                let problem = "has a `tokenizer.ggml.token_type` that is not one number a token";
                return Err(Error::malformed(file.path(), problem));
            }
        };
        Ok(Self { tokens, kinds })
    }

    fn kind(&self, id: usize) -> i32 {
        self.kinds.get(id).copied().unwrap_or(1)
    }

    /// Tokens that texts are searched for before anything else.
    fn added(&self) -> Vec<Value> {
        let added = (0..self.tokens.len())
            .filter(|&id| matches!(self.kind(id), UNKNOWN | CONTROL | USER_DEFINED));
        let each = added.map(|id| {
            json!({
                "id": id,
                "content": self.tokens[id],
                "single_word": false,
                "lstrip": false,
                "rstrip": false,
                "normalized": false,
                "special": self.kind(id) != USER_DEFINED,
            })
        });
        each.collect()
    }

    /// Token to id, but for those that only fill up. Added tokens are among them, so that each keeps
    /// its id.
    fn vocab(&self) -> Map<String, Value> {
        let kept = self.tokens.iter().enumerate().filter(|(id, _)| self.kind(*id) != UNUSED);
        kept.map(|(id, token)| (token.clone(), json!(id))).collect()
    }
}

fn byte_pairs(file: &GgufFile, vocabulary: &Vocabulary<'_>) -> Result<Value> {
    let metadata = file.metadata();
    let name = metadata.str("tokenizer.ggml.pre").unwrap_or("default");
    let Some(rules) = rules(name) else {
        let advice = "use the model in Hugging Face layout";
        let feature = format!("the pre-tokenizer \"{name}\"");
        return Err(Error::unsupported(file.path(), feature, advice));
    };
    let merges = metadata.strings("tokenizer.ggml.merges").ok_or_else(|| {
        Error::malformed(file.path(), "has no `tokenizer.ggml.merges`; it carries no tokenizer")
    })?;
    let pairs: Option<Vec<Value>> = merges
        .iter()
        .map(|merge| {
            // A piece may begin with a space of its own, never end with one.
            let cut = merge.char_indices().skip(1).find(|(_, c)| *c == ' ')?.0;
            Some(json!([merge[..cut], merge[cut + 1..]]))
        })
        .collect();
    let pairs = pairs.ok_or_else(|| {
        let problem = "has an entry of `tokenizer.ggml.merges` that is not two pieces";
        Error::malformed(file.path(), problem)
    })?;
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": vocabulary.added(),
        "normalizer": rules.normalizer,
        "pre_tokenizer": rules.pre_tokenizer,
        "post_processor": post_processor(file, vocabulary),
        "decoder": byte_level(true),
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": rules.ignore_merges,
            "vocab": vocabulary.vocab(),
            "merges": pairs,
        },
    }))
}

/// Puts the first token before a text where the model wants it.
fn post_processor(file: &GgufFile, vocabulary: &Vocabulary<'_>) -> Value {
    let metadata = file.metadata();
    let add = metadata.bool("tokenizer.ggml.add_bos_token").unwrap_or_else(|| {
        let pre = metadata.str("tokenizer.ggml.pre");
        matches!(pre, Some("llama-bpe" | "llama3" | "llama-v3"))
            || metadata.str("tokenizer.ggml.model") == Some("llama")
    });
    let id = metadata.unsigned("tokenizer.ggml.bos_token_id");
    let (true, Some(id), Some(bos)) = (add, id, special(metadata, vocabulary.tokens, "bos")) else {
        return byte_level(true);
    };
    let special = json!({"SpecialToken": {"id": bos, "type_id": 0}});
    let a = json!({"Sequence": {"id": "A", "type_id": 0}});
    let b = json!({"Sequence": {"id": "B", "type_id": 1}});
    let second = json!({"SpecialToken": {"id": bos, "type_id": 1}});
    let mut tokens = Map::new();
    tokens.insert(bos.to_owned(), json!({"id": bos, "ids": [id], "tokens": [bos]}));
    json!({
        "type": "TemplateProcessing",
        "single": [special, a],
        "pair": [special, a, second, b],
        "special_tokens": tokens,
    })
}

fn sentence_pieces(file: &GgufFile, vocabulary: &Vocabulary<'_>) -> Result<Value> {
    let metadata = file.metadata();
    let scores = match metadata.array("tokenizer.ggml.scores") {
        Some(Array::F32(scores)) if scores.len() == vocabulary.tokens.len() => scores,
        _ => {
            let problem = "has no `tokenizer.ggml.scores` with one number a token";
            return Err(Error::malformed(file.path(), problem));
        }
    };
    if let Some(id) = vocabulary.tokens.iter().position(|token| token.len() > LONGEST_PIECE) {
        let bytes = vocabulary.tokens[id].len();
        let problem = format!(
            "has a token of {bytes} bytes (number {id}), at most {LONGEST_PIECE} are possible; the \
             file is corrupt"
        );
        return Err(Error::malformed(file.path(), problem));
    }
    let prefix = metadata.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let mut normalizers = Vec::new();
    if prefix {
        normalizers.push(json!({"type": "Prepend", "prepend": "▁"}));
    }
    normalizers.push(json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}));
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let post = Some(post_processor(file, vocabulary)).filter(|p| p["type"] != "ByteLevel");
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": vocabulary.added(),
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": null,
        "post_processor": post,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": special(metadata, vocabulary.tokens, "unknown"),
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": true,
            "ignore_merges": false,
            "vocab": vocabulary.vocab(),
            "merges": merges(vocabulary.tokens, scores),
        },
    }))
}

/// Every way to make a piece of two others: best piece first, then by the parts' ids.
fn merges(tokens: &[String], scores: &[f32]) -> Vec<Value> {
    let ids: HashMap<&str, usize> =
        tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
    let mut found: Vec<(f32, usize, usize, usize)> = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        for (cut, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(cut);
            if let (Some(&left), Some(&right)) = (ids.get(left), ids.get(right)) {
                found.push((scores[id], id, left, right));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
    found.iter().map(|&(_, _, left, right)| json!([tokens[left], tokens[right]])).collect()
}
