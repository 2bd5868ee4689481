//! Where the assistant's turns stand in a rendered conversation.
//!
//! Three ways, tried in order: the template's own `{% generation %}` blocks; rendering the
//! conversation up to each turn, which is proof where those renderings begin the whole; and the
//! text that opens a turn, for templates (Qwen3's) that render earlier turns differently once later
//! ones follow. Where all fail, the record is refused.

use std::ops::Range;

use serde_json::Value;

use super::EncodeError;
use super::record::Extras;
use crate::model::{ChatTemplate, OffsetToken, Tokenizer};

/// A rendered conversation and where its trained turns stand.
#[derive(Debug)]
pub(super) struct Turns {
    pub(super) text: String,
    pub(super) spans: Vec<Span>,
}

/// Where one turn stands.
#[derive(Debug)]
pub(super) enum Span {
    /// From its first byte to its last.
    Known(Range<usize>),
    /// From its first byte to the special token that ends it, and white space after that.
    UntilTurnEnd(usize),
}

impl Span {
    /// The byte range, given the tokens of the whole text.
    pub(super) fn resolve(
        &self,
        text: &str,
        tokens: &[OffsetToken],
        tokenizer: &Tokenizer,
    ) -> Range<usize> {
        match self {
            Self::Known(range) => range.clone(),
            Self::UntilTurnEnd(start) => {
                let stop = tokens
                    .iter()
                    .find(|token| token.bytes.start >= *start && tokenizer.is_special(token.id));
                let end = stop.map_or(text.len(), |token| token.bytes.end);
                let space = text[end..].len() - text[end..].trim_start().len();
                *start..end + space
            }
        }
    }
}

/// One conversation to be rendered in parts.
pub(super) struct Conversation<'r> {
    pub(super) template: &'r ChatTemplate,
    pub(super) messages: &'r [Value],
    pub(super) extras: &'r Extras,
}

impl Conversation<'_> {
    /// The whole conversation and the assistant turns that `trained` names.
    ///
    /// # Errors
    /// When the template refuses the conversation, or its turns cannot be found again.
    pub(super) fn turns(&self, trained: &[bool]) -> Result<Turns, EncodeError> {
        let assistants: Vec<usize> = (0..self.messages.len())
            .filter(|&at| self.messages[at]["role"] == "assistant")
            .collect();
        if assistants.is_empty() {
            return Err(EncodeError::Record(
                "`messages` has no assistant message to train on".to_owned(),
            ));
        }
        let all = Value::from(self.messages);
        let extras = self.extras;
        let whole =
            self.template.render_with_spans(&all, extras.tools.as_ref(), false, &extras.kwargs)?;
        let wanted = |at: &usize| trained[*at];
        if !whole.generation.is_empty() {
            let spans = select(whole.generation, &assistants, trained)?;
            return Ok(Turns { text: whole.text, spans });
        }
        let by_prefix =
            assistants.iter().filter(|at| wanted(at)).map(|&at| self.prefix_span(&whole.text, at));
        let spans = match by_prefix.collect::<Option<Vec<Span>>>() {
            Some(spans) => spans,
            None => self.spans_by_opening(&whole.text, &assistants, trained)?,
        };
        Ok(Turns { text: whole.text, spans })
    }

    /// The first `count` messages alone; `None` where the template will not render them.
    fn part(&self, count: usize, add_generation_prompt: bool) -> Option<String> {
        let part = Value::from(&self.messages[..count]);
        self.template
            .render(&part, self.extras.tools.as_ref(), add_generation_prompt, &self.extras.kwargs)
            .ok()
    }

    /// The turn at `at`, if the conversation up to it, with and without it, begins the whole.
    fn prefix_span(&self, whole: &str, at: usize) -> Option<Span> {
        let before = self.part(at, true)?;
        let after = self.part(at + 1, false)?;
        (after.starts_with(&before) && whole.starts_with(&after))
            .then_some(Span::Known(before.len()..after.len()))
    }

    /// The turns by the text that opens one, if it occurs once for each assistant message.
    fn spans_by_opening(
        &self,
        whole: &str,
        assistants: &[usize],
        trained: &[bool],
    ) -> Result<Vec<Span>, EncodeError> {
        let opening = assistants.iter().rev().find_map(|&at| {
            let with = self.part(at, true)?;
            with.strip_prefix(&self.part(at, false)?)
                .filter(|text| !text.trim().is_empty())
                .map(str::to_owned)
        });
        let starts: Vec<usize> = opening.iter().flat_map(|text| ends_of(whole, text)).collect();
        if starts.len() != assistants.len() {
            return Err(EncodeError::Record(format!(
                "the assistant's turns cannot be found in the rendered conversation: the chat \
                 template renders a turn differently when others follow it, and the text that opens a turn \
                 occurs {} times for {} assistant messages; use a template with {{% generation %}} \
                 blocks, or `prompt` and `completion`",
                starts.len(),
                assistants.len(),
            )));
        }
        let turns = assistants.iter().zip(starts);
        Ok(turns
            .filter(|(at, _)| trained[**at])
            .map(|(_, start)| Span::UntilTurnEnd(start))
            .collect())
    }
}

/// Picks the generation blocks of the trained messages; which is which is clear only if there is
/// one a message.
fn select(
    blocks: Vec<Range<usize>>,
    assistants: &[usize],
    trained: &[bool],
) -> Result<Vec<Span>, EncodeError> {
    if assistants.iter().all(|&at| trained[at]) {
        return Ok(blocks.into_iter().map(Span::Known).collect());
    }
    if blocks.len() != assistants.len() {
        return Err(EncodeError::Record(format!(
            "messages have `weight` 0, but the chat template shows {} generation blocks for {} \
             assistant messages, so it is not clear which to leave out",
            blocks.len(),
            assistants.len(),
        )));
    }
    Ok(blocks
        .into_iter()
        .zip(assistants)
        .filter(|(_, at)| trained[**at])
        .map(|(b, _)| Span::Known(b))
        .collect())
}

/// Where each occurrence of `needle` ends.
fn ends_of(text: &str, needle: &str) -> Vec<usize> {
    text.match_indices(needle).map(|(at, _)| at + needle.len()).collect()
}
