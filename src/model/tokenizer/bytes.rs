//! What bytes one vocabulary entry stands for, in the two alphabets in use: GPT-2's byte-level one
//! and SentencePiece's (`▁` for a space, `<0x0A>` for a byte).

use std::collections::HashMap;
use std::sync::LazyLock;

use tokenizers::DecoderWrapper;

/// GPT-2's alphabet: byte -> printable character. Printable Latin-1 stands for itself; the other
/// bytes take the characters from U+0100 on, in order (GPT-2 `encoder.py`, `bytes_to_unicode`).
pub(super) static BYTE_TO_CHAR: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = 0x100_u32;
    std::array::from_fn(|byte| match byte as u32 {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => char::from_u32(code).unwrap_or('?'),
        _ => {
            next += 1;
            char::from_u32(next - 1).unwrap_or('?')
        }
    })
});

static CHAR_TO_BYTE: LazyLock<HashMap<char, u8>> =
    LazyLock::new(|| BYTE_TO_CHAR.iter().copied().zip(0..=u8::MAX).collect());

/// The bytes of a byte-level token; a token with a character outside the alphabet stands for its
/// own text.
pub(super) fn byte_level(token: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(|c| CHAR_TO_BYTE.get(&c).copied()).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// The bytes of a SentencePiece token.
pub(super) fn sentence_piece(token: &str) -> Vec<u8> {
    let hex = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match hex.filter(|hex| hex.len() == 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        Some(byte) => vec![byte],
        None => token.replace('▁', " ").into_bytes(),
    }
}

/// Bytes of the longest token. `None` where a token may stand for more text than it spells: one that
/// swallows the space around it, or the unknown token of a vocabulary that lacks some bytes.
pub(super) fn longest(tokenizer: &tokenizers::Tokenizer) -> Option<usize> {
    let byte_level = matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
    if !byte_level && tokenizer.token_to_id("<0x0A>").is_none() {
        return None;
    }
    let added = tokenizer.get_added_tokens_decoder();
    if added.values().any(|token| token.lstrip || token.rstrip) {
        return None;
    }
    let learnt = tokenizer.get_vocab(false);
    // A character of GPT-2's alphabet is a byte; elsewhere a token has at most the bytes of its name.
    let bytes = |token: &String| if byte_level { token.chars().count() } else { token.len() };
    let added = added.values().map(|token| token.content.len());
    learnt.keys().map(bytes).chain(added).max().filter(|longest| *longest > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_a_bijection_with_known_points() {
        let distinct: std::collections::HashSet<char> = BYTE_TO_CHAR.iter().copied().collect();
        assert_eq!(distinct.len(), 256);
        assert_eq!(BYTE_TO_CHAR[b' ' as usize], 'Ġ');
        assert_eq!(BYTE_TO_CHAR[b'\n' as usize], 'Ċ');
        assert_eq!(BYTE_TO_CHAR[b'A' as usize], 'A');
        assert_eq!(BYTE_TO_CHAR[0xff], 'ÿ');
        assert_eq!(byte_level("ĠtheâĤ"), b" the\xe2\x82");
        assert_eq!(byte_level("<|im_end|>"), b"<|im_end|>");
        assert_eq!(byte_level("☃"), "☃".as_bytes());
    }

    #[test]
    fn sentence_piece_tokens() {
        assert_eq!(sentence_piece("▁the"), b" the");
        assert_eq!(sentence_piece("<0xE2>"), b"\xe2");
        assert_eq!(sentence_piece("<0xZZ>"), b"<0xZZ>");
    }
}
