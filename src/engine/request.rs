//! What goes into the engine and what comes out: a [`Request`], then a stream of [`Event`]s.

use super::logprobs::TokenLogprob;
use super::sampling_params::{InvalidParam, SamplingParams};
use crate::adapters::Generation;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// One prompt to be completed, or only scored (`max_tokens: 0` with `prompt_logprobs`).
#[derive(Clone, Debug)]
pub struct Request {
    /// Token ids; at least one.
    pub prompt: Vec<u32>,
    /// How tokens are chosen and when they end.
    pub params: SamplingParams,
    /// The generation that computes every token of it; `None` is the base model.
    pub adapter: Option<Arc<Generation>>,
}

/// What happens to a request, in order: at most one `Prompt`, then `Token`s, then exactly one of
/// `Finished` and `Failed`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The prompt was scored; sent only if `prompt_logprobs` was asked for.
    Prompt {
        /// One entry a prompt token; `None` for the first, which nothing precedes.
        logprobs: Vec<Option<TokenLogprob>>,
    },
    /// One token of the answer. The token that ends it is among them; tokens of which a stop string
    /// leaves no text are not. While a token's text may begin a stop string, the token waits.
    Token {
        /// The token.
        id: u32,
        /// Its text; that of a character of several tokens comes with the last of them.
        text: String,
        /// How probable the token was; sent only if `logprobs` was asked for.
        logprob: Option<TokenLogprob>,
    },
    /// The answer is complete.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// What it ended at, if `reason` is [`FinishReason::Stop`].
        stop: Option<StopHit>,
        /// Tokens read and written.
        usage: Usage,
    },
    /// The answer cannot be completed.
    Failed {
        /// One sentence for the client.
        message: String,
    },
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// At an end-of-sequence token, a stop token or a stop string.
    Stop,
    /// After `max_tokens`.
    Length,
    /// The engine was told to stop.
    Aborted,
}

/// What an answer ended at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopHit {
    /// The model's own end-of-sequence token.
    Eos(u32),
    /// One of `stop_token_ids`.
    Token(u32),
    /// One of the `stop` strings.
    Text(String),
}

/// Tokens of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them that the prefix cache saved.
    pub cached_tokens: usize,
    /// Tokens generated, the one that ended the answer included.
    pub completion_tokens: usize,
}

/// A request that was not taken in.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SubmitError {
    /// Too many requests wait already.
    #[error("the queue is full; try again in {} s", retry_after.as_secs())]
    QueueFull {
        /// When a place may be free.
        retry_after: Duration,
    },
    /// Prompt and `max_tokens` do not fit the context.
    #[error(
        "the prompt's {prompt} tokens and max_tokens {max_tokens} together exceed the context of \
         {max} tokens; shorten the prompt or lower max_tokens"
    )]
    ContextOverflow {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens to be generated.
        max_tokens: usize,
        /// Tokens that prompt and answer may have together.
        max: usize,
    },
    /// A prompt without tokens.
    #[error("the prompt has no tokens; give at least one")]
    EmptyPrompt,
    /// A prompt token that the model does not know.
    #[error("prompt token {index} is {id}, but the model's vocabulary has {vocab_size} tokens")]
    UnknownToken {
        /// Its place in the prompt, from 0.
        index: usize,
        /// The token id.
        id: u32,
        /// Token ids lie below this.
        vocab_size: usize,
    },
    /// A sampling parameter that cannot be honoured.
    #[error(transparent)]
    InvalidParam(#[from] InvalidParam),
    /// The engine is stopping or has stopped.
    #[error("the engine is stopping and takes no new requests")]
    Stopped,
}
