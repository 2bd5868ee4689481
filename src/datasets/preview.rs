//! An example for people: its text in stretches that are trained or not. Leaves out colours.

use super::Example;
use crate::model::{Tokenizer, TokenizerError};

/// A stretch of an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewSpan {
    /// Its text, special tokens shown.
    pub text: String,
    /// Number of tokens.
    pub tokens: usize,
    /// Whether the loss is taken on it.
    pub trained: bool,
}

/// The stretches of an example in order.
///
/// # Errors
/// When the tokenizer cannot decode its ids.
pub fn preview(
    example: &Example,
    tokenizer: &Tokenizer,
) -> Result<Vec<PreviewSpan>, TokenizerError> {
    let trained = |at: usize| at > 0 && example.labels_mask[at];
    let indices: Vec<usize> = (0..example.ids.len()).collect();
    indices
        .chunk_by(|&a, &b| trained(a) == trained(b))
        .map(|run| {
            let ids = &example.ids[run[0]..run[0] + run.len()];
            let text = tokenizer.decode(ids, false)?;
            Ok(PreviewSpan { text, tokens: run.len(), trained: trained(run[0]) })
        })
        .collect()
}
