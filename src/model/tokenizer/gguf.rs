//! A tokenizer from a GGUF file's metadata: byte-level BPE (`tokenizer.ggml.model` "gpt2"), with the
//! pre-tokenizer that `tokenizer.ggml.pre` names, or a whole `tokenizer.huggingface.json`. Leaves out
//! SentencePiece and Unigram vocabularies, which are refused.

use std::path::Path;

use formats::gguf::{Array, GgufFile, Metadata};
use serde_json::json;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::sequence::Sequence as Processors;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PostProcessorWrapper, PreTokenizerWrapper, SplitDelimiterBehavior};

use super::special::{SpecialToken, SpecialTokens};
use super::train::QWEN_PATTERN;
use super::{Tokenizer, TokenizerError};

/// llama.cpp's types of tokens that matter here.
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// Llama 3's pattern: Qwen2's with up to three digits at a time.
const LLAMA3_PATTERN: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// How texts are cut before merging, as `tokenizer.ggml.pre` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Qwen2,
    /// With whole words of the vocabulary taken before merges are tried, or not.
    Llama3 {
        ignore_merges: bool,
    },
    SmolLm,
    Gpt2,
}

impl Tokenizer {
    /// The tokenizer that a model's GGUF file holds.
    ///
    /// # Errors
    /// A file without one, of a kind that this program does not run, or that contradicts itself.
    pub fn from_gguf(file: &GgufFile) -> Result<Self, TokenizerError> {
        let reader = Reader { metadata: file.metadata(), path: file.path() };
        let inner = match reader.metadata.str("tokenizer.huggingface.json") {
            Some(json) => tokenizers::Tokenizer::from_bytes(json).map_err(|error| {
                reader.invalid(format!("`tokenizer.huggingface.json` is no tokenizer ({error})"))
            })?,
            None => reader.byte_level()?,
        };
        Self::assemble(inner, reader.special()?)
    }
}

struct Reader<'a> {
    metadata: &'a Metadata,
    path: &'a Path,
}

impl<'a> Reader<'a> {
    fn invalid(&self, reason: impl Into<String>) -> TokenizerError {
        TokenizerError::Invalid { path: self.path.to_owned(), reason: reason.into() }
    }

    fn strings(&self, key: &str) -> Result<&'a [String], TokenizerError> {
        let missing = || self.invalid(format!("it has no list of texts `{key}`"));
        self.metadata.strings(key).ok_or_else(missing)
    }

    /// Each token's type, in the order of the ids.
    fn types(&self, tokens: usize) -> Result<&'a [i32], TokenizerError> {
        match self.metadata.array("tokenizer.ggml.token_type") {
            Some(Array::I32(types)) if types.len() == tokens => Ok(types),
            _ => Err(self.invalid(format!(
                "`tokenizer.ggml.token_type` must be a list of {tokens} whole numbers, one for each \
                 token"
            ))),
        }
    }

    fn cut(&self) -> Result<Cut, TokenizerError> {
        match self.metadata.str("tokenizer.ggml.model") {
            Some("gpt2") => {}
            Some(kind @ ("llama" | "t5" | "bert" | "rwkv")) => {
                return Err(self.invalid(format!(
                    "its tokenizer is of the kind `{kind}`, and byte-level BPE (`gpt2`) is what is \
                     read; use the model's Hugging Face folder"
                )));
            }
            _ => return Err(self.invalid("it has no tokenizer (`tokenizer.ggml.model`)")),
        }
        match self.metadata.str("tokenizer.ggml.pre") {
            Some("qwen2" | "deepseek-r1-qwen") => Ok(Cut::Qwen2),
            Some("llama-bpe" | "llama3" | "llama-v3") => Ok(Cut::Llama3 { ignore_merges: true }),
            Some("smaug-bpe") => Ok(Cut::Llama3 { ignore_merges: false }),
            Some("smollm") => Ok(Cut::SmolLm),
            Some("gpt-2" | "gpt2") => Ok(Cut::Gpt2),
            other => {
                let found: String = other.unwrap_or("none").chars().take(40).collect();
                Err(self.invalid(format!(
                    "its pre-tokenizer is `{found}`, and qwen2, llama-bpe, smaug-bpe, smollm and gpt-2 \
                     are what is read; use the model's Hugging Face folder"
                )))
            }
        }
    }

    fn byte_level(&self) -> Result<tokenizers::Tokenizer, TokenizerError> {
        let cut = self.cut()?;
        let tokens = self.strings("tokenizer.ggml.tokens")?;
        let types = self.types(tokens.len())?;
        let ids =
            u32::try_from(tokens.len()).map_err(|_| self.invalid("it has too many tokens"))?;
        let used = tokens.iter().zip(0..ids).zip(types).filter(|(_, kind)| **kind != UNUSED);
        let vocab: Vocab = used.map(|((token, id), _)| (token.clone(), id)).collect();
        let model = BPE::builder()
            .vocab_and_merges(vocab, self.merges()?)
            .ignore_merges(matches!(cut, Cut::Llama3 { ignore_merges: true }))
            .build()
            .map_err(|error| self.invalid(format!("its merges do not fit its tokens ({error})")))?;
        let failed = |error: tokenizers::Error| self.invalid(error.to_string());
        let bytes = ByteLevel::new(false, false, false);
        let mut tokenizer = tokenizers::Tokenizer::new(model);
        tokenizer
            .with_normalizer((cut == Cut::Qwen2).then_some(NFC))
            .and_then(|tokenizer| Ok(tokenizer.with_pre_tokenizer(Some(pre_tokenizer(cut)?))))
            .map_err(failed)?
            .with_decoder(Some(bytes))
            .with_post_processor(Some(self.post_processor(cut)?));
        let added = tokens.iter().zip(types).filter_map(|(token, kind)| {
            let special = matches!(*kind, CONTROL | UNKNOWN);
            let added = special || *kind == USER_DEFINED;
            added.then(|| AddedToken::from(token.clone(), special).normalized(false))
        });
        tokenizer.add_tokens(added.collect::<Vec<_>>()).map_err(failed)?;
        Ok(tokenizer)
    }

    fn merges(&self) -> Result<Merges, TokenizerError> {
        let split = |merge: &String| {
            let (left, right) = merge.split_once(' ')?;
            Some((left.to_owned(), right.to_owned()))
        };
        let merges = self.strings("tokenizer.ggml.merges")?;
        merges
            .iter()
            .map(|merge| {
                let shown: String = merge.chars().take(40).collect();
                split(merge)
                    .ok_or_else(|| self.invalid(format!("`{shown}` is no merge of two tokens")))
            })
            .collect()
    }

    /// Puts the bos before a text where the file says so, or says nothing and Llama 3's rule does.
    fn post_processor(&self, cut: Cut) -> Result<PostProcessorWrapper, TokenizerError> {
        let bytes = ByteLevel::new(false, false, false);
        let llama3 = cut == Cut::Llama3 { ignore_merges: true };
        let adds = self.metadata.bool("tokenizer.ggml.add_bos_token").unwrap_or(llama3);
        let Some(bos) = self.role("bos")?.filter(|_| adds) else { return Ok(bytes.into()) };
        let text = &bos.text;
        let first = json!({"SpecialToken": {"id": text, "type_id": 0}});
        let sequence = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
        let template: TemplateProcessing = serde_json::from_value(json!({
            "type": "TemplateProcessing",
            "single": [first, sequence("A")],
            "pair": [first, sequence("A"), sequence("B")],
            "special_tokens": {text: {"id": text, "ids": [bos.id], "tokens": [text]}},
        }))
        .map_err(|error| self.invalid(format!("`{text}` cannot be put before texts ({error})")))?;
        Ok(Processors::new(vec![bytes.into(), template.into()]).into())
    }

    fn special(&self) -> Result<SpecialTokens, TokenizerError> {
        Ok(SpecialTokens {
            bos: self.role("bos")?,
            eos: self.role("eos")?,
            pad: self.role("padding")?,
            unk: self.role("unknown")?,
        })
    }

    fn role(&self, role: &str) -> Result<Option<SpecialToken>, TokenizerError> {
        let key = format!("tokenizer.ggml.{role}_token_id");
        let Some(id) = self.metadata.unsigned(&key) else { return Ok(None) };
        let tokens = self.strings("tokenizer.ggml.tokens")?;
        let token = usize::try_from(id).ok().and_then(|at| tokens.get(at));
        match (token, u32::try_from(id)) {
            (Some(text), Ok(id)) => Ok(Some(SpecialToken { text: text.clone(), id: Some(id) })),
            _ => {
                Err(self.invalid(format!("`{key}` is {id}, and there are {} tokens", tokens.len())))
            }
        }
    }
}

fn pre_tokenizer(cut: Cut) -> tokenizers::Result<PreTokenizerWrapper> {
    let spell = ByteLevel::new(false, false, false);
    let words = ByteLevel::new(false, false, true);
    let split = |pattern: &str| {
        let pattern = SplitPattern::Regex(pattern.to_owned());
        Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
    };
    Ok(match cut {
        Cut::Qwen2 => Sequence::new(vec![split(QWEN_PATTERN)?.into(), spell.into()]).into(),
        Cut::Llama3 { .. } => {
            Sequence::new(vec![split(LLAMA3_PATTERN)?.into(), spell.into()]).into()
        }
        Cut::SmolLm => Sequence::new(vec![Digits::new(true).into(), words.into()]).into(),
        Cut::Gpt2 => words.into(),
    })
}
