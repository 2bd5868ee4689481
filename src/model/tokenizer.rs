//! Text to token ids and back, from a Hugging Face `tokenizer.json`, with the special roles (bos,
//! eos, pad, unk) that `tokenizer_config.json` gives, or from a GGUF file. Leaves out: streaming decode
//! ([`super::Detokenizer`]), chat templates ([`super::ChatTemplate`]), and slow (`vocab.txt`,
//! SentencePiece `.model`) tokenizers, which are refused.

mod bpe;
mod bytes;
mod gguf;
mod special;
mod train;

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tokenizers::DecoderWrapper;

pub use special::SpecialTokens;
pub use train::{AddedTokenSpec, BpeOptions};

/// What can go wrong with a tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file could not be read.
    #[error("{reason}; a model needs `tokenizer.json`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why; names the file.
        reason: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} cannot be used: {reason}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// The tokenizer refused a text or ids.
    #[error("the tokenizer cannot {doing}: {reason}")]
    Apply {
        /// "encode this text" or "decode these ids".
        doing: &'static str,
        /// The library's reason.
        reason: String,
    },
    /// A GGUF file has no tokenizer that this program reads.
    #[error(transparent)]
    Format(Box<formats::Error>),
    /// A vocabulary cannot be trained as asked.
    #[error("cannot train a tokenizer: {0}")]
    Train(String),
}

/// One token of an encoded text and the bytes of the text that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToken {
    /// The token id.
    pub id: u32,
    /// Byte range in the text. Tokens that share one character each cover the whole character;
    /// a token that adds nothing to the text (a bos) has an empty range.
    pub bytes: Range<usize>,
}

/// A tokenizer: an immutable, shareable pair of encoder and decoder.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    special_ids: HashSet<u32>,
    /// Bytes of the longest token; `None` where one token may stand for any amount of text.
    longest: Option<usize>,
}

impl Tokenizer {
    /// Reads `tokenizer.json` and, if there, `tokenizer_config.json` / `special_tokens_map.json` in
    /// `dir`.
    ///
    /// # Errors
    /// A file that is missing, unreadable or malformed, named with what was expected.
    pub fn load(dir: &Path) -> Result<Self, TokenizerError> {
        let path = dir.join("tokenizer.json");
        let bytes = fs_err::read(&path)
            .map_err(|reason| TokenizerError::Read { path: path.clone(), reason })?;
        let inner = tokenizers::Tokenizer::from_bytes(&bytes).map_err(|error| {
            let reason = format!("it is not a tokenizer in Hugging Face's JSON format ({error})");
            TokenizerError::Invalid { path, reason }
        })?;
        Self::assemble(inner, SpecialTokens::load(dir)?)
    }

    /// Wraps a tokenizer of the library; truncation and padding stored in its file are switched
    /// off, as transformers does.
    fn assemble(
        mut inner: tokenizers::Tokenizer,
        mut special: SpecialTokens,
    ) -> Result<Self, TokenizerError> {
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| TokenizerError::Train(error.to_string()))?;
        special.resolve(|token| inner.token_to_id(token));
        let special_ids = inner
            .get_added_tokens_decoder()
            .iter()
            .filter_map(|(id, token)| token.special.then_some(*id))
            .collect();
        let longest = bytes::longest(&inner);
        Ok(Self { inner, special, special_ids, longest })
    }

    /// The ids of `text`. `add_special` adds what the tokenizer's post-processor adds (a bos for
    /// Llama 3); a rendered chat template wants `false`.
    ///
    /// # Errors
    /// When the tokenizer's rules fail on this text.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, add_special).map_err(encode_error)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// A number of tokens that `text` has at the very least, told from its length alone; 0 where that
    /// cannot be told. A normalizer may write four bytes beyond ASCII as one.
    pub fn fewest_tokens(&self, text: &str) -> usize {
        let Some(longest) = self.longest else { return 0 };
        let ascii = text.bytes().filter(u8::is_ascii).count();
        (ascii + (text.len() - ascii) / 4) / longest
    }

    /// Like [`Self::encode`], with the bytes of `text` that each token covers.
    ///
    /// # Errors
    /// When the tokenizer's rules fail on this text.
    pub fn encode_with_offsets(
        &self,
        text: &str,
        add_special: bool,
    ) -> Result<Vec<OffsetToken>, TokenizerError> {
        let encoding = self.inner.encode(text, add_special).map_err(encode_error)?;
        let pairs = encoding.get_ids().iter().zip(encoding.get_offsets());
        Ok(pairs.map(|(&id, &(start, end))| OffsetToken { id, bytes: start..end }).collect())
    }

    /// The text of `ids`; bytes that are not UTF-8 become U+FFFD. Ids outside the vocabulary add
    /// nothing.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        self.inner.decode(ids, skip_special).map_err(|error| TokenizerError::Apply {
            doing: "decode these ids",
            reason: error.to_string(),
        })
    }

    /// The id of a token given as the vocabulary spells it (`<|im_end|>`, `Ġthe`).
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// A token as the vocabulary spells it.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The bytes that one token stands for, as the `bytes` field of OpenAI's logprobs gives them:
    /// possibly a fragment of a UTF-8 character.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        let token = self.inner.id_to_token(id)?;
        let added = self.inner.get_added_vocabulary().simple_id_to_token(id).is_some();
        Some(match (self.is_byte_level(), added) {
            (true, _) => bytes::byte_level(&token),
            (false, true) => token.into_bytes(),
            (false, false) => bytes::sentence_piece(&token),
        })
    }

    /// The number of tokens, added ones included. A model's embedding may have more rows (padding),
    /// never fewer.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The tokens with a role: bos, eos, pad, unk.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// Whether `skip_special` leaves this token out.
    pub fn is_special(&self, id: u32) -> bool {
        self.special_ids.contains(&id)
    }

    /// Whether this token was added to the vocabulary (special tokens, `<think>` ...) rather than
    /// learnt.
    pub fn is_added(&self, id: u32) -> bool {
        self.inner.get_added_vocabulary().simple_id_to_token(id).is_some()
    }

    /// Whether tokens stand for plain bytes (GPT-2's alphabet: Qwen, Llama 3, SmolLM), so that a
    /// text is the concatenation of its tokens' bytes.
    pub(super) fn is_byte_level(&self) -> bool {
        matches!(self.inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_)))
    }
}

fn encode_error(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Apply { doing: "encode this text", reason: error.to_string() }
}
