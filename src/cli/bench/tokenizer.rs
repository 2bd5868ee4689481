//! A tokenizer small enough to be made in place: the 256 bytes of GPT-2's alphabet, a handful of
//! merges, three special tokens. It makes a random model's folder complete; it knows no language.
//! Ids above its vocabulary, which such a model does produce, decode to nothing.

use serde_json::{Value, json};

const BYTES: u32 = 256;
/// The most frequent pairs of English text, so that merges are exercised.
const MERGES: [(&str, &str); 4] = [("Ġ", "t"), ("h", "e"), ("i", "n"), ("Ġt", "he")];

/// `<|endoftext|>`: begins a text and pads.
pub(super) const END_OF_TEXT: u32 = BYTES + MERGES.len() as u32;
/// `<|im_start|>`: opens a chat turn.
pub(super) const START_OF_TURN: u32 = END_OF_TEXT + 1;
/// `<|im_end|>`: ends a chat turn.
pub(super) const END_OF_TURN: u32 = START_OF_TURN + 1;

const SPECIAL: [(&str, u32); 3] =
    [("<|endoftext|>", END_OF_TEXT), ("<|im_start|>", START_OF_TURN), ("<|im_end|>", END_OF_TURN)];

/// ChatML, as Qwen writes it.
pub(super) const CHAT_TEMPLATE: &str = "{%- for message in messages %}{{- '<|im_start|>' + \
    message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endfor %}\
    {%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

/// `tokenizer.json`.
pub(super) fn tokenizer_json() -> Value {
    let bytes = (0..=255u8).map(|byte| alphabet(byte).to_string());
    let merged = MERGES.iter().map(|(left, right)| format!("{left}{right}"));
    let vocab: serde_json::Map<String, Value> =
        bytes.chain(merged).zip(0u32..).map(|(token, id)| (token, json!(id))).collect();
    let byte_level = |trim: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": trim,
               "use_regex": true})
    };
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": SPECIAL.map(|(token, id)| added_token(token, Some(id))),
        "normalizer": null,
        "pre_tokenizer": byte_level(true),
        "post_processor": byte_level(false),
        "decoder": byte_level(true),
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": vocab,
            "merges": MERGES.map(|(left, right)| json!([left, right])),
        },
    })
}

/// `tokenizer_config.json`, with the chat template.
pub(super) fn tokenizer_config() -> Value {
    let decoder: serde_json::Map<String, Value> =
        SPECIAL.iter().map(|&(token, id)| (id.to_string(), added_token(token, None))).collect();
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": decoder,
        "bos_token": null,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": null,
        "add_bos_token": false,
        "clean_up_tokenization_spaces": false,
        "chat_template": CHAT_TEMPLATE,
    })
}

fn added_token(token: &str, id: Option<u32>) -> Value {
    let mut value = json!({"content": token, "single_word": false, "lstrip": false,
                           "rstrip": false, "normalized": false, "special": true});
    if let Some(id) = id {
        value["id"] = json!(id);
    }
    value
}

/// GPT-2's letter for a byte: itself where it is printable Latin-1, else the next code from U+0100.
fn alphabet(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&other| !printable(other)).count();
    // At most 68 bytes are not printable, and U+0100 to U+0143 are all characters.
    u32::try_from(before).ok().and_then(|n| char::from_u32(0x100 + n)).unwrap_or('\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_gpt2s() {
        // From the table in the GPT-2 release: space, newline, tab, DEL, NBSP, soft hyphen.
        let expected = [
            (b' ', 'Ġ'),
            (b'\n', 'Ċ'),
            (b'\t', 'ĉ'),
            (0x7f, 'ġ'),
            (0xa0, 'ł'),
            (0xad, 'Ń'),
            (b'A', 'A'),
        ];
        for (byte, letter) in expected {
            assert_eq!(alphabet(byte), letter, "{byte:#x}");
        }
    }

    #[test]
    fn the_library_reads_it_and_texts_come_back() {
        let json = tokenizer_json().to_string();
        let tokenizer = tokenizers::Tokenizer::from_bytes(json.as_bytes()).unwrap();
        for text in ["the cat in the hat", "Zoë — 日本\n\t\u{0}", "a<|im_end|>b"] {
            let ids = tokenizer.encode(text, false).unwrap().get_ids().to_vec();
            assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
        }
        assert_eq!(tokenizer.encode(" the", false).unwrap().get_ids(), [259]);
        assert_eq!(tokenizer.token_to_id("<|im_end|>"), Some(END_OF_TURN));
        assert_eq!(tokenizer.get_vocab_size(true), 263);
        assert_eq!(tokenizer.decode(&[100_000], false).unwrap(), "");
    }
}
