//! Tokens of one answer that wait for their text: while a stop string may have begun in a token's text,
//! neither the text nor the token's log-probability is let out.
//!
//! Which text is let out is [`super::stop`]'s to say.

use super::logprobs::TokenLogprob;
use std::collections::VecDeque;

/// Tokens and text that were not sent yet.
#[derive(Debug, Default)]
pub(super) struct HeldTokens {
    tokens: VecDeque<Held>,
    /// Let out, but of tokens that are not let out whole.
    text: String,
}

#[derive(Debug)]
struct Held {
    id: u32,
    logprob: Option<TokenLogprob>,
    /// Bytes of text that came with it; none for a part of a character that is not complete.
    len: usize,
}

/// One token with its own text.
#[derive(Debug, PartialEq)]
pub(super) struct TokenText {
    pub(super) id: u32,
    pub(super) text: String,
    pub(super) logprob: Option<TokenLogprob>,
}

impl HeldTokens {
    /// Takes the newest token, which brought `len` bytes of text.
    pub(super) fn push(&mut self, id: u32, logprob: Option<TokenLogprob>, len: usize) {
        self.tokens.push_back(Held { id, logprob, len });
    }

    /// Adds bytes of text to the newest token.
    pub(super) fn extend_last(&mut self, len: usize) {
        if let Some(last) = self.tokens.back_mut() {
            last.len += len;
        }
    }

    /// Lets out `text`, and with it every token that it completes. A token without text waits for the
    /// next one that has some: it may be the beginning of a character that a stop string takes away.
    pub(super) fn release(&mut self, text: &str) -> Vec<TokenText> {
        self.text.push_str(text);
        let (mut ready, mut length) = (0, 0);
        for (index, token) in self.tokens.iter().enumerate() {
            length += token.len;
            if length > self.text.len() {
                break;
            }
            if token.len > 0 {
                ready = index + 1;
            }
        }
        (0..ready).filter_map(|_| self.take_first()).collect()
    }

    /// Lets out all that is left, the answer's last `text` with it.
    pub(super) fn release_all(&mut self, text: &str) -> Vec<TokenText> {
        self.text.push_str(text);
        (0..self.tokens.len()).filter_map(|_| self.take_first()).collect()
    }

    /// Lets out the last `text` before a stop string: tokens that are a part of it, be it their first
    /// bytes. The others are forgotten.
    pub(super) fn release_last(&mut self, text: &str) -> Vec<TokenText> {
        self.text.push_str(text);
        let mut out = Vec::new();
        while !self.text.is_empty() && !self.tokens.is_empty() {
            out.extend(self.take_first());
        }
        self.tokens.clear();
        out
    }

    fn take_first(&mut self) -> Option<TokenText> {
        let Held { id, logprob, len } = self.tokens.pop_front()?;
        let rest = self.text.split_off(len.min(self.text.len()));
        Some(TokenText { id, text: std::mem::replace(&mut self.text, rest), logprob })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(out: &[TokenText]) -> Vec<(u32, &str)> {
        out.iter().map(|token| (token.id, token.text.as_str())).collect()
    }

    #[test]
    fn a_token_waits_for_all_of_its_text() {
        let mut held = HeldTokens::default();
        held.push(1, None, 2);
        assert_eq!(texts(&held.release("ab")), [(1, "ab")]);
        held.push(2, None, 3);
        assert!(held.release("c").is_empty(), "the rest may begin a stop string");
        held.push(3, None, 0);
        held.push(4, None, 1);
        assert_eq!(texts(&held.release("def")), [(2, "cde"), (3, ""), (4, "f")]);
        held.push(5, None, 0);
        assert!(held.release("").is_empty(), "the character is not complete");
        held.push(6, None, 2);
        assert_eq!(texts(&held.release("ü")), [(5, ""), (6, "ü")]);
        held.push(7, None, 0);
        assert_eq!(texts(&held.release_all("")), [(7, "")]);
    }

    #[test]
    fn a_stop_string_takes_the_first_half_of_its_character_along() {
        let mut held = HeldTokens::default();
        held.push(1, None, 0);
        assert!(held.release("").is_empty());
        held.push(2, None, 2);
        assert!(held.release_last("").is_empty() && held.release_all("").is_empty());
    }

    #[test]
    fn tokens_beyond_the_stop_are_forgotten() {
        let mut held = HeldTokens::default();
        for (id, len) in [(1, 2), (2, 0), (3, 3), (4, 0), (5, 1)] {
            held.push(id, None, len);
        }
        assert_eq!(texts(&held.release_last("abc")), [(1, "ab"), (2, ""), (3, "c")]);
        assert!(held.release("").is_empty());
    }
}
