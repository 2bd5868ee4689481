//! What a grader is given of an answer.

/// One answer, with what is known of how it came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completion<'a> {
    /// The text that the model went on from, as it was sent to a completions endpoint. `None` where
    /// messages were sent and the server made the text: the answer then begins after the marker of
    /// the assistant's turn.
    pub prompt: Option<&'a str>,
    /// The answer's text.
    pub text: &'a str,
    /// Why it ended, in OpenAI's words: `stop`, `length` ...
    pub finish: Option<&'a str>,
}

impl<'a> Completion<'a> {
    /// A whole answer to messages.
    pub fn of(text: &'a str) -> Self {
        Self { prompt: None, text, finish: None }
    }

    /// Whether the answer was cut at its most tokens.
    pub fn is_truncated(&self) -> bool {
        self.finish == Some("length")
    }

    /// The verdict of an answer in which nothing was found.
    pub(crate) fn nothing_found(&self) -> &'static str {
        if self.is_truncated() { "truncated" } else { "no answer" }
    }
}
