//! A tokenizer from a GGUF file's metadata, or from the whole `tokenizer.json` that some files carry.

use formats::gguf::GgufFile;
use formats::gguf_model::tokenizer_json;

use super::special::{SpecialToken, SpecialTokens};
use super::{Tokenizer, TokenizerError};

/// Where a file keeps a whole `tokenizer.json`, if it does.
const WHOLE: &str = "tokenizer.huggingface.json";

impl Tokenizer {
    /// The tokenizer that a model's GGUF file holds.
    ///
    /// # Errors
    /// A file without one, of a kind that this program does not run, or that contradicts itself.
    pub fn from_gguf(file: &GgufFile) -> Result<Self, TokenizerError> {
        let invalid = |reason| TokenizerError::Invalid { path: file.path().to_owned(), reason };
        let json = match file.metadata().str(WHOLE) {
            Some(json) => json.to_owned(),
            None => tokenizer_json(file)
                .map_err(|error| TokenizerError::Format(Box::new(error)))?
                .to_string(),
        };
        let inner = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|error| invalid(format!("its tokenizer contradicts itself ({error})")))?;
        let role = |role| self::role(file, role).map_err(invalid);
        let special = SpecialTokens {
            bos: role("bos")?,
            eos: role("eos")?,
            pad: role("padding")?,
            unk: role("unknown")?,
        };
        Self::assemble(inner, special)
    }
}

/// The token with a role, if there is one; an id beyond the tokens is a mistake.
fn role(file: &GgufFile, role: &str) -> Result<Option<SpecialToken>, String> {
    let key = format!("tokenizer.ggml.{role}_token_id");
    let Some(id) = file.metadata().unsigned(&key) else { return Ok(None) };
    let tokens = file.metadata().strings("tokenizer.ggml.tokens").unwrap_or_default();
    let token = usize::try_from(id).ok().and_then(|at| tokens.get(at));
    match (token, u32::try_from(id)) {
        (Some(text), Ok(id)) => Ok(Some(SpecialToken { text: text.clone(), id: Some(id) })),
        _ => Err(format!("`{key}` is {id}, and there are {} tokens", tokens.len())),
    }
}
