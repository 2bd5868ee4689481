//! What the engine's tests share: random numbers, sequences, a byte tokenizer, whole answers.

use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use wardrobe::adapters::GenerationId;
use wardrobe::engine::{
    Event, FinishReason, SamplingParams, Sequence, SequenceId, StopHit, TokenLogprob, Usage,
};
use wardrobe::model::Tokenizer;

/// Tokens of the byte tokenizer: one a byte, then end of sequence.
pub(crate) const VOCAB: usize = 257;
/// The token after the 256 bytes.
pub(crate) const EOS: u32 = 256;

/// A small random number generator (xorshift64*), seeded by each test.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }
}

/// The generation with number `n`; 0 is the base.
pub(crate) fn generation(n: usize) -> Option<GenerationId> {
    (n > 0).then(|| GenerationId::of(&n.to_le_bytes(), b""))
}

pub(crate) fn sequence(id: u64, prompt: Vec<u32>, adapter: Option<GenerationId>) -> Sequence {
    let params = SamplingParams { max_tokens: 1000, ..SamplingParams::default() };
    Sequence::new(SequenceId(id), prompt, adapter, params, id)
}

/// GPT-2's spelling of a byte: itself where it is printable, else the next unused character.
fn spelling(byte: u8) -> char {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if is_printable(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|&other| !is_printable(other)).count() as u32;
    char::from_u32(256 + rank).unwrap()
}

/// Writes a byte-level tokenizer whose token `i` is byte `i`.
pub(crate) fn write_tokenizer(dir: &Path) {
    let vocab: serde_json::Map<String, Value> =
        (0..=255).map(|byte| (spelling(byte).to_string(), json!(byte))).collect();
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
    });
    let eos = json!({
        "id": EOS, "content": "<eos>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
    });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [eos],
        "normalizer": null, "pre_tokenizer": byte_level, "post_processor": null,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": vocab, "merges": [],
        },
    });
    fs_err::write(dir.join("tokenizer.json"), tokenizer.to_string()).unwrap();
}

pub(crate) fn tokenizer() -> Arc<Tokenizer> {
    let dir = tempfile::tempdir().unwrap();
    write_tokenizer(dir.path());
    Arc::new(Tokenizer::load(dir.path()).unwrap())
}

/// One whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) ids: Vec<u32>,
    pub(crate) text: String,
    /// The text of each token event.
    pub(crate) deltas: Vec<String>,
    pub(crate) logprobs: Vec<TokenLogprob>,
    pub(crate) prompt_logprobs: Vec<Option<TokenLogprob>>,
    pub(crate) end: Option<(FinishReason, Option<StopHit>)>,
    pub(crate) failure: Option<String>,
    pub(crate) usage: Usage,
}

impl Answer {
    /// Takes an event; `true` if it was the last one.
    pub(crate) fn take(&mut self, event: Event) -> bool {
        assert!(self.end.is_none() && self.failure.is_none(), "{event:?} after the end");
        match event {
            Event::Prompt { logprobs } => {
                assert!(self.prompt_logprobs.is_empty() && self.ids.is_empty());
                self.prompt_logprobs = logprobs;
            }
            Event::Token { id, text, logprob } => {
                self.ids.push(id);
                self.text.push_str(&text);
                self.deltas.push(text);
                self.logprobs.extend(logprob);
            }
            Event::Finished { reason, stop, usage } => {
                self.end = Some((reason, stop));
                self.usage = usage;
            }
            Event::Failed { message } => self.failure = Some(message),
        }
        self.end.is_some() || self.failure.is_some()
    }

    /// What must not depend on batch mates, chunks, caches or preemption: everything but how much
    /// the cache saved.
    pub(crate) fn essence(&self) -> Self {
        let mut essence = self.clone();
        essence.usage.cached_tokens = 0;
        essence
    }
}
