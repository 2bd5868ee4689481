//! Streaming decode: token ids in, text out, never half a character, and the pieces together are
//! exactly the decode of all ids. Leaves out stop strings, which belong to the engine.

use std::sync::Arc;

use super::tokenizer::{Tokenizer, TokenizerError};

/// Tokens held back at most while waiting for a character to complete, for tokenizers that are not
/// byte-level.
const MAX_HELD: usize = 64;

/// Decodes one sequence as it grows.
///
/// Byte-level vocabularies (Qwen, Llama 3) append each token's bytes and give out what is complete
/// UTF-8. Others decode a window of recent tokens and give out what it grew by, as vLLM's and TGI's
/// prefix and read offsets do, because there a token's text depends on its neighbours.
#[derive(Debug)]
pub struct Detokenizer {
    tokenizer: Arc<Tokenizer>,
    skip_special: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Bytes of a character that has begun and not ended: at most three.
    Bytes { held: Vec<u8> },
    /// Recent ids. `ids[..read]` was given out already and is kept as context.
    Window { ids: Vec<u32>, read: usize },
}

impl Detokenizer {
    /// Starts a sequence. `skip_special` leaves special tokens out of the text.
    pub fn new(tokenizer: Arc<Tokenizer>, skip_special: bool) -> Self {
        let state = if tokenizer.is_byte_level() {
            State::Bytes { held: Vec::new() }
        } else {
            State::Window { ids: Vec::new(), read: 0 }
        };
        Self { tokenizer, skip_special, state }
    }

    /// Takes one token and returns the text that is now certain; empty while a character is
    /// incomplete.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails.
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        if self.skip_special && self.tokenizer.is_special(id) {
            return Ok(String::new());
        }
        match &mut self.state {
            State::Bytes { held } => {
                held.extend(self.tokenizer.token_bytes(id).unwrap_or_default());
                let complete = held.len() - incomplete_suffix(held);
                let tail = held.split_off(complete);
                let text = String::from_utf8_lossy(held).into_owned();
                *held = tail;
                Ok(text)
            }
            State::Window { ids, read } => {
                ids.push(id);
                let (before, after) = window(&self.tokenizer, ids, *read)?;
                let waiting = after.ends_with('\u{fffd}') && ids.len() - *read < MAX_HELD;
                if waiting || after.len() <= before.len() {
                    return Ok(String::new());
                }
                let text = after.get(before.len()..).unwrap_or_default().to_owned();
                ids.drain(..*read);
                *read = ids.len();
                Ok(text)
            }
        }
    }

    /// Ends the sequence and returns what was held back; an unfinished character becomes U+FFFD.
    ///
    /// # Errors
    /// When the tokenizer's decoder fails.
    pub fn finish(self) -> Result<String, TokenizerError> {
        match self.state {
            State::Bytes { held } => Ok(String::from_utf8_lossy(&held).into_owned()),
            State::Window { ids, read } => {
                let (before, after) = window(&self.tokenizer, &ids, read)?;
                Ok(after.get(before.len()..).unwrap_or_default().to_owned())
            }
        }
    }
}

/// The text of the context alone and of the whole window.
fn window(
    tokenizer: &Tokenizer,
    ids: &[u32],
    read: usize,
) -> Result<(String, String), TokenizerError> {
    Ok((tokenizer.decode(&ids[..read], false)?, tokenizer.decode(ids, false)?))
}

/// How many bytes at the end begin a UTF-8 character that more bytes could complete.
fn incomplete_suffix(bytes: &[u8]) -> usize {
    let start = bytes.len().saturating_sub(3);
    let begins_character = |at: &usize| {
        let error = std::str::from_utf8(&bytes[*at..]).err();
        error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (start..bytes.len()).find(begins_character).map_or(0, |at| bytes.len() - at)
}

#[cfg(test)]
mod tests {
    use super::incomplete_suffix;

    #[test]
    fn only_a_character_that_can_still_end_is_held() {
        assert_eq!(incomplete_suffix(b"abc"), 0);
        assert_eq!(incomplete_suffix(b"a\xe2"), 1);
        assert_eq!(incomplete_suffix(b"a\xe2\x82"), 2);
        assert_eq!(incomplete_suffix("a€".as_bytes()), 0);
        assert_eq!(incomplete_suffix(b"\xf0\x9f\x98"), 3);
        assert_eq!(incomplete_suffix(b"\x80\x80"), 0, "stray continuation bytes never complete");
        assert_eq!(incomplete_suffix(b"\xe2\xe2"), 1);
        assert_eq!(incomplete_suffix(b"\xed\xa0"), 0, "a surrogate is no character");
    }
}
