//! What a data set came to: how many examples, what was cut or dropped, and what ends the trained
//! text.

use std::collections::BTreeMap;

use super::{Example, mask};
use crate::model::Tokenizer;

/// Counts over a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records read.
    pub records: usize,
    /// Records left out because nothing of them is trained, after truncation.
    pub dropped: usize,
    /// Records cut to the maximum length.
    pub truncated: usize,
    /// Records whose prompt tokens do not begin those of prompt and completion: the model is
    /// trained after another context than it will see.
    pub diverged: usize,
    /// Tokens kept.
    pub tokens: usize,
    /// Tokens kept that the loss is taken on.
    pub trained_tokens: usize,
    /// Length of the longest record before truncation, in tokens.
    pub longest: usize,
    /// For each token that ends a trained stretch and is an added token (EOS, the end of a turn):
    /// in how many examples.
    pub trained_ends: BTreeMap<u32, usize>,
}

impl Stats {
    /// Share of records that were cut, in percent.
    pub fn truncated_percent(&self) -> f64 {
        100.0 * self.truncated as f64 / self.records.max(1) as f64
    }

    /// What is wrong with records whose prompt does not stay as it is, in one sentence.
    pub fn divergence(&self) -> Option<String> {
        (self.diverged > 0).then(|| {
            format!(
                "in {} of {} records the tokens of the prompt do not begin those of prompt and \
                 completion, so the model is trained after another context than it will see; end \
                 prompts where a token ends, or use a template that leaves them unchanged",
                self.diverged, self.records
            )
        })
    }

    /// Counts an example that is kept.
    pub(super) fn keep(&mut self, example: &Example, tokenizer: &Tokenizer) {
        self.tokens += example.ids.len();
        self.trained_tokens += example.trained_tokens();
        let mut ends: Vec<u32> = mask::runs(&example.labels_mask)
            .into_iter()
            .filter_map(|run| end_token(&example.ids[run], tokenizer))
            .collect();
        ends.sort_unstable();
        ends.dedup();
        for id in ends {
            *self.trained_ends.entry(id).or_default() += 1;
        }
    }
}

/// The last token that is not white space, if it is an added one.
fn end_token(ids: &[u32], tokenizer: &Tokenizer) -> Option<u32> {
    let blank = |id: &u32| {
        tokenizer.token_bytes(*id).is_some_and(|bytes| bytes.iter().all(u8::is_ascii_whitespace))
    };
    let eos = tokenizer.special().eos.as_ref().and_then(|eos| eos.id);
    let last = ids.iter().rev().copied().find(|id| !blank(id))?;
    (tokenizer.is_added(last) || Some(last) == eos).then_some(last)
}
