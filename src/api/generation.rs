//! From a checked request to running sequences, and from their events to whole answers.
//!
//! Knows no wire shape: chat and completions dress what comes out of here.

use std::sync::Arc;

use super::error::ApiError;
use super::resolver::Wearer;
use super::state::ApiState;
use crate::engine::{
    Event, FinishReason, Request, RequestStream, SamplingParams, StopHit, SubmitError,
    TokenLogprob, Usage,
};

/// A prompt as the model reads it.
#[derive(Debug, Clone)]
pub(crate) struct Prompt {
    /// The text, where the client sent text.
    pub(crate) text: Option<String>,
    /// Its tokens.
    pub(crate) ids: Vec<u32>,
}

/// How many tokens may be generated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budget {
    /// The client's own figure: refused where the context has no room for it.
    Asked(usize),
    /// A default: cut to the room that is left.
    AtMost(usize),
}

/// Everything that a request asks to be generated: `n` choices for each prompt.
#[derive(Debug)]
pub(crate) struct Job {
    /// The prompts, in the client's order.
    pub(crate) prompts: Vec<Prompt>,
    /// Choices a prompt.
    pub(crate) n: usize,
    /// Tokens a choice.
    pub(crate) budget: Budget,
    /// Shared by all choices, apart from the seed and `max_tokens`.
    pub(crate) params: SamplingParams,
    /// Who answers.
    pub(crate) wearer: Wearer,
}

/// One choice that the engine is working on. Dropping it cancels the sequence.
pub(crate) struct Running {
    /// The choice's `index` in the response: `prompt · n + j`.
    pub(crate) index: usize,
    stream: RequestStream,
}

impl Running {
    /// The next event; the end of the engine's stream without a final event is an error.
    pub(crate) async fn next(&mut self) -> Result<Event, ApiError> {
        match self.stream.recv().await {
            None => Err(stopped()),
            Some(Event::Failed { message }) => Err(ApiError::Internal(message)),
            Some(Event::Finished { reason: FinishReason::Aborted, .. }) => Err(stopped()),
            Some(event) => Ok(event),
        }
    }
}

/// Why an answer can end before its last token.
fn stopped() -> ApiError {
    ApiError::Unavailable {
        message: "the server stopped before the answer was complete".into(),
        retry_after: super::RETRY_AFTER,
    }
}

/// Hands every choice to the engine: all of them or none.
pub(crate) fn submit(state: &ApiState, job: &Job) -> Result<Vec<Running>, ApiError> {
    let choices = job.prompts.len().saturating_mul(job.n);
    fits_queue(job.prompts.len(), job.n, state.engine.info().max_queue)?;
    let mut running = Vec::with_capacity(choices);
    for prompt in &job.prompts {
        let max_tokens = max_tokens(state, prompt.ids.len(), job.budget);
        let params = SamplingParams { max_tokens, ..job.params.clone() };
        for choice in 0..job.n {
            let request = Request {
                prompt: prompt.ids.clone(),
                params: SamplingParams { seed: nth_seed(params.seed, choice), ..params.clone() },
                adapter: job.wearer.generation().map(Arc::clone),
            };
            let stream = state.engine.submit(request).map_err(refused)?;
            running.push(Running { index: running.len(), stream });
        }
    }
    Ok(running)
}

/// Refuses more answers than can ever wait at once, naming the field that is too large.
pub(crate) fn fits_queue(prompts: usize, n: usize, max_queue: usize) -> Result<(), ApiError> {
    let choices = prompts.saturating_mul(n);
    if choices <= max_queue {
        return Ok(());
    }
    let (param, advice) = match prompts <= max_queue {
        true => ("n", "lower n"),
        false => ("prompt", "send fewer prompts at a time"),
    };
    let asked =
        if prompts == 1 { format!("n is {n}") } else { format!("{prompts} prompts, n {n}") };
    Err(ApiError::field(
        param,
        format!(
            "the request asks for {choices} answers ({asked}), but at most {max_queue} may wait at a \
             time (--max-queue); {advice}, or start the server with a larger --max-queue"
        ),
    ))
}

/// The `n` choices of one seeded request draw apart from one another, as in vLLM: seed, seed + 1 ...
fn nth_seed(seed: Option<u64>, choice: usize) -> Option<u64> {
    seed.map(|seed| seed.wrapping_add(choice as u64))
}

/// A default is cut to the room that is left; a figure of the client's stands, and the engine
/// refuses it if there is no room.
fn max_tokens(state: &ApiState, prompt: usize, budget: Budget) -> usize {
    let room = state.engine.info().max_model_len.saturating_sub(prompt);
    match budget {
        Budget::Asked(asked) => asked,
        Budget::AtMost(most) => most.min(room.max(1)),
    }
}

fn refused(error: SubmitError) -> ApiError {
    match error {
        SubmitError::QueueFull { retry_after } => ApiError::QueueFull { retry_after },
        SubmitError::ContextOverflow { prompt, max_tokens, max } => {
            ApiError::context_length(max, prompt, max_tokens)
        }
        SubmitError::EmptyPrompt | SubmitError::UnknownToken { .. } => {
            ApiError::field("prompt", error.to_string())
        }
        SubmitError::InvalidParam(invalid) => ApiError::field(invalid.param, invalid.to_string()),
        SubmitError::Stopped => ApiError::Unavailable {
            message: "the server is stopping".into(),
            retry_after: super::RETRY_AFTER,
        },
    }
}

/// One whole answer.
#[derive(Debug)]
pub(crate) struct Output {
    /// The text, without its stop string.
    pub(crate) text: String,
    /// The generated tokens.
    pub(crate) ids: Vec<u32>,
    /// Their log-probabilities, where asked for.
    pub(crate) logprobs: Vec<TokenLogprob>,
    /// The prompt's, where asked for; the first token has none.
    pub(crate) prompt_logprobs: Vec<Option<TokenLogprob>>,
    /// Why it ended.
    pub(crate) reason: FinishReason,
    /// What it ended at.
    pub(crate) stop: Option<StopHit>,
    /// Tokens read and written.
    pub(crate) usage: Usage,
}

/// Waits for one choice to end.
pub(crate) async fn collect(mut running: Running) -> Result<Output, ApiError> {
    let (mut text, mut ids, mut logprobs) = (String::new(), Vec::new(), Vec::new());
    let mut prompt_logprobs = Vec::new();
    loop {
        match running.next().await? {
            Event::Prompt { logprobs } => prompt_logprobs = logprobs,
            Event::Token { id, text: delta, logprob } => {
                text.push_str(&delta);
                ids.push(id);
                logprobs.extend(logprob);
            }
            Event::Finished { reason, stop, usage } => {
                return Ok(Output { text, ids, logprobs, prompt_logprobs, reason, stop, usage });
            }
            Event::Failed { message } => return Err(ApiError::Internal(message)),
        }
    }
}

/// Waits for all choices; the first failure drops, and so cancels, the others.
pub(crate) async fn collect_all(running: Vec<Running>) -> Result<Vec<Output>, ApiError> {
    futures::future::try_join_all(running.into_iter().map(collect)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_answers_than_the_queue_holds_are_blamed_on_the_field_that_is_too_large() {
        let blamed = |prompts, n| {
            fits_queue(prompts, n, 8).map_err(|error| {
                assert!(error.to_string().contains("--max-queue"), "{error}");
                error.envelope()["error"]["param"].as_str().unwrap_or("none").to_owned()
            })
        };
        assert_eq!(blamed(2, 4), Ok(()));
        assert_eq!(blamed(1, 9), Err("n".to_owned()));
        assert_eq!(blamed(2, 5), Err("n".to_owned()));
        assert_eq!(blamed(9, 1), Err("prompt".to_owned()));
    }
}
