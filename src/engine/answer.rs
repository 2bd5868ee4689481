//! The client's side of a sequence: its pinned adapter, its text, its stops, its event channel.
//!
//! The token side is [`super::sequence`]'s.

use super::held::{HeldTokens, TokenText};
use super::logprobs::TokenLogprob;
use super::queue::QueueTicket;
use super::request::{Event, FinishReason, Request, StopHit, Usage};
use super::sequence::Sequence;
use super::stop::{Released, StopInclusion, StopMatcher};
use crate::adapters::Generation;
use crate::model::{Detokenizer, Tokenizer, TokenizerError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// A request on its way into the engine, with the channel for its events.
#[derive(Debug)]
pub struct Submission {
    /// What to do.
    pub request: Request,
    /// Takes the events; needs room for all of them, see [`max_events`].
    pub events: Sender<Event>,
    /// The request's place in the bounded queue.
    pub ticket: QueueTicket,
    /// When it was taken in.
    pub submitted_at: Instant,
}

/// Events that a request can cause at most: the prompt's, one a token, and the end.
pub fn max_events(request: &Request) -> usize {
    request.params.max_tokens + 2
}

/// What one sequence has told its client so far.
#[derive(Debug)]
pub(super) struct Answer {
    /// Keeps the generation alive until the sequence ends.
    pub(super) adapter: Option<Arc<Generation>>,
    /// Held until the sequence first runs.
    pub(super) ticket: Option<QueueTicket>,
    pub(super) submitted_at: Instant,
    events: Sender<Event>,
    /// `None` once it gave its last text.
    detokenizer: Option<Detokenizer>,
    matcher: StopMatcher,
    held: HeldTokens,
    prompt_logprobs: Vec<Option<TokenLogprob>>,
    last_token_at: Option<Instant>,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    pub(super) reason: FinishReason,
    pub(super) stop: Option<StopHit>,
}

/// When a token came, by what came before it.
pub(super) enum TokenTiming {
    First(Duration),
    Next(Duration),
}

impl Answer {
    pub(super) fn new(submission: &Submission, tokenizer: &Arc<Tokenizer>) -> Self {
        let params = &submission.request.params;
        let inclusion = if params.include_stop_str_in_output {
            StopInclusion::Include
        } else {
            StopInclusion::Exclude
        };
        Self {
            adapter: submission.request.adapter.clone(),
            ticket: None,
            submitted_at: submission.submitted_at,
            events: submission.events.clone(),
            detokenizer: Some(Detokenizer::new(Arc::clone(tokenizer), true)),
            matcher: StopMatcher::new(params.stop.clone(), inclusion),
            held: HeldTokens::default(),
            prompt_logprobs: Vec::new(),
            last_token_at: None,
        }
    }

    /// Whether the client dropped its stream.
    pub(super) fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// Takes the log-probability of the next prompt token, and sends all once they are complete.
    pub(super) fn push_prompt_logprob(&mut self, sequence: &Sequence, next: Option<TokenLogprob>) {
        self.prompt_logprobs.push(next);
        if self.prompt_logprobs.len() == sequence.prompt().len() {
            let logprobs = std::mem::take(&mut self.prompt_logprobs);
            self.send(Event::Prompt { logprobs });
        }
    }

    /// Takes the newest token of `sequence`, sends what is sure, and says whether it ends the answer.
    pub(super) fn push_token(
        &mut self,
        sequence: &Sequence,
        eos_token_ids: &[u32],
        logprob: Option<TokenLogprob>,
    ) -> Result<Option<End>, TokenizerError> {
        let Some(&id) = sequence.output().last() else { return Ok(None) };
        let params = &sequence.params;
        let stop_token = stop_token(sequence, id, eos_token_ids);
        let is_text = stop_token.is_none() || params.include_stop_str_in_output;
        let piece = match &mut self.detokenizer {
            Some(detokenizer) if is_text => detokenizer.push(id)?,
            _ => String::new(),
        };
        self.held.push(id, logprob, piece.len());
        let mut released = self.release(sequence, &piece);
        let is_full = sequence.output().len() >= params.max_tokens;
        let is_last = stop_token.is_some() || is_full;
        if released.stop.is_none() && is_last {
            let rest = self.finish_text(sequence)?;
            released.text.push_str(&rest.text);
            released.stop = rest.stop;
        }
        self.send_tokens(&released, is_last);
        let stop = released.stop.map(StopHit::Text).or(stop_token);
        Ok(match stop {
            Some(_) => Some(End { reason: FinishReason::Stop, stop }),
            None => is_full.then_some(End { reason: FinishReason::Length, stop: None }),
        })
    }

    /// Notes that a token came now.
    pub(super) fn time_token(&mut self) -> TokenTiming {
        let now = Instant::now();
        match self.last_token_at.replace(now) {
            None => TokenTiming::First(now - self.submitted_at),
            Some(last) => TokenTiming::Next(now - last),
        }
    }

    /// Tells the client that the answer is complete.
    pub(super) fn finish(self, sequence: &Sequence, end: End) {
        let usage = Usage {
            prompt_tokens: sequence.prompt().len(),
            cached_tokens: sequence.num_cached_tokens.unwrap_or(0),
            completion_tokens: sequence.output().len(),
        };
        self.send(Event::Finished { reason: end.reason, stop: end.stop, usage });
    }

    /// Tells the client that the answer cannot be completed.
    pub(super) fn fail(self, message: String) {
        self.send(Event::Failed { message });
    }

    /// Lets out what the stop strings allow. Before `min_tokens` they do not count.
    fn release(&mut self, sequence: &Sequence, piece: &str) -> Released {
        if sequence.output().len() < sequence.params.min_tokens {
            self.matcher.pass(piece)
        } else {
            self.matcher.push(piece)
        }
    }

    /// What was held back for an unfinished character or stop string.
    fn finish_text(&mut self, sequence: &Sequence) -> Result<Released, TokenizerError> {
        let piece = self.detokenizer.take().map_or(Ok(String::new()), Detokenizer::finish)?;
        self.held.extend_last(piece.len());
        let mut released = self.release(sequence, &piece);
        if released.stop.is_none() {
            released.text.push_str(&self.matcher.pass("").text);
        }
        Ok(released)
    }

    /// Sends the tokens whose text is let out; after a stop string or the last token no others follow.
    fn send_tokens(&mut self, released: &Released, is_last: bool) {
        let tokens = match released.stop {
            Some(_) => self.held.release_last(&released.text),
            None if is_last => self.held.release_all(&released.text),
            None => self.held.release(&released.text),
        };
        for TokenText { id, text, logprob } in tokens {
            self.send(Event::Token { id, text, logprob });
        }
    }

    /// The channel has room for every event, and a client that left needs none.
    fn send(&self, event: Event) {
        drop(self.events.try_send(event));
    }
}

/// Whether the newest token by itself ends the answer.
fn stop_token(sequence: &Sequence, id: u32, eos_token_ids: &[u32]) -> Option<StopHit> {
    let params = &sequence.params;
    if sequence.output().len() < params.min_tokens {
        return None;
    }
    if !params.ignore_eos && eos_token_ids.contains(&id) {
        return Some(StopHit::Eos(id));
    }
    params.stop_token_ids.contains(&id).then_some(StopHit::Token(id))
}
