//! Training a byte-level BPE tokenizer in Qwen's style: text is cut at added tokens, then by
//! Qwen2's pattern (each digit by itself), spelt in bytes, and merged. Leaves out: other models
//! (unigram, word-piece).

use std::collections::BTreeMap;

use serde_json::json;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, OffsetReferential, OffsetType, PreTokenizer, PreTokenizerWrapper,
    SplitDelimiterBehavior,
};

use super::special::{SpecialToken, SpecialTokens};
use super::{Tokenizer, TokenizerError, bpe};

/// How Qwen2 cuts text into words before merging (its `tokenizer.json`, `pre_tokenizer`).
pub(super) const QWEN_PATTERN: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// A token that is never cut and takes an id after the learnt ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedTokenSpec {
    /// Its text.
    pub content: String,
    /// Whether decoding for people leaves it out (`<|im_end|>`: yes; `<think>`: no).
    pub special: bool,
}

/// What to train.
#[derive(Clone, Debug)]
pub struct BpeOptions {
    /// Tokens in all: 256 bytes, the learnt ones and the added ones. Fewer come out when the texts
    /// have no more repeated pairs.
    pub vocab_size: usize,
    /// Added tokens, in the order of their ids.
    pub added_tokens: Vec<AddedTokenSpec>,
    /// The added token that ends a turn.
    pub eos: String,
    /// The added token that pads.
    pub pad: Option<String>,
    /// Whether text is brought to Unicode's composed form first, as Qwen does.
    pub nfc: bool,
    /// Context length, written as `model_max_length`.
    pub model_max_length: usize,
}

impl Tokenizer {
    /// Learns a tokenizer from `texts`. The same texts give the same tokenizer, whatever their
    /// order.
    ///
    /// # Errors
    /// A size too small for the bytes and the added tokens, or a role whose token is not among the
    /// added ones.
    pub fn train_bpe<S: AsRef<str>>(
        texts: impl IntoIterator<Item = S>,
        options: &BpeOptions,
    ) -> Result<Self, TokenizerError> {
        let learnt_size = check(options)?;
        let failed = |error: tokenizers::Error| TokenizerError::Train(error.to_string());
        let blank = shell(BPE::default(), options).map_err(failed)?;
        let words = count_words(&blank, texts).map_err(failed)?;
        let learnt = bpe::learn(&words, learnt_size);
        let vocab: Vocab = learnt.tokens.into_iter().zip(0..).collect();
        let model =
            BPE::builder().vocab_and_merges(vocab, learnt.merges).build().map_err(failed)?;
        let inner = shell(model, options).map_err(failed)?;
        let role = |text: &String| SpecialToken { text: text.clone(), id: None };
        let special = SpecialTokens {
            eos: Some(role(&options.eos)),
            pad: options.pad.as_ref().map(role),
            ..SpecialTokens::default()
        };
        Self::assemble(inner, special)
    }

    /// The files that make this tokenizer a part of a Hugging Face model folder, as (name,
    /// contents):
    /// `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja`. The caller writes them.
    ///
    /// # Errors
    /// When the tokenizer cannot be written as JSON.
    pub fn files(
        &self,
        chat_template: &str,
        model_max_length: usize,
    ) -> Result<Vec<(&'static str, String)>, TokenizerError> {
        let tokenizer =
            self.inner.to_string(true).map_err(|error| TokenizerError::Train(error.to_string()))?;
        let mut config = json!({
            "add_prefix_space": false,
            "bos_token": null,
            "clean_up_tokenization_spaces": false,
            "eos_token": null,
            "model_max_length": model_max_length,
            "pad_token": null,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": null,
        });
        for (key, text) in self.special.named() {
            config[key] = text.into();
        }
        Ok(vec![
            ("tokenizer.json", tokenizer + "\n"),
            ("tokenizer_config.json", format!("{config:#}\n")),
            ("chat_template.jinja", chat_template.to_owned()),
        ])
    }
}

/// Checks the options and returns how many tokens are left for bytes and merges.
fn check(options: &BpeOptions) -> Result<usize, TokenizerError> {
    let needed = 256 + options.added_tokens.len();
    if options.vocab_size < needed {
        return Err(TokenizerError::Train(format!(
            "a vocabulary of {} tokens is too small; 256 bytes and {} added tokens need at least \
             {needed}",
            options.vocab_size,
            options.added_tokens.len(),
        )));
    }
    for role in std::iter::once(&options.eos).chain(&options.pad) {
        if !options.added_tokens.iter().any(|token| &token.content == role) {
            return Err(TokenizerError::Train(format!(
                "`{role}` has a role but is not an added token"
            )));
        }
    }
    Ok(options.vocab_size - options.added_tokens.len())
}

/// A tokenizer of Qwen's structure around `model`.
fn shell(model: BPE, options: &BpeOptions) -> tokenizers::Result<tokenizers::Tokenizer> {
    let bytes = ByteLevel::new(false, false, false);
    let pattern = SplitPattern::Regex(QWEN_PATTERN.to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer
        .with_normalizer(options.nfc.then_some(NFC))?
        .with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])))
        .with_post_processor(Some(bytes))
        .with_decoder(Some(bytes));
    tokenizer.add_tokens(
        options
            .added_tokens
            .iter()
            .map(|token| AddedToken::from(token.content.clone(), token.special).normalized(false)),
    )?;
    Ok(tokenizer)
}

/// Cuts the texts into words in the byte-level alphabet, leaving added tokens out, and counts them.
fn count_words<S: AsRef<str>>(
    tokenizer: &tokenizers::Tokenizer,
    texts: impl IntoIterator<Item = S>,
) -> tokenizers::Result<BTreeMap<String, u64>> {
    let pre_tokenizer: Option<&PreTokenizerWrapper> = tokenizer.get_pre_tokenizer();
    let mut words = BTreeMap::new();
    for text in texts {
        let added = tokenizer.get_added_vocabulary();
        let mut cut = added.extract_and_normalize(tokenizer.get_normalizer(), text.as_ref());
        if let Some(pre_tokenizer) = pre_tokenizer {
            pre_tokenizer.pre_tokenize(&mut cut)?;
        }
        for (word, _, tokens) in cut.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            if tokens.is_none() {
                *words.entry(word.to_owned()).or_insert(0) += 1;
            }
        }
    }
    Ok(words)
}
