//! `text_completion`: the whole answer, and what its chunks share with it.

use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::request::CompletionRequest;
use crate::api::error::ApiError;
use crate::api::generation::{Job, Output, Prompt};
use crate::api::head::Head;
use crate::api::logprobs::{CompletionLogprobs, Offsets, TokenNamer, TokenView};
use crate::api::state::ApiState;
use crate::api::usage;
use crate::engine::TokenLogprob;

/// What every object of one answer needs.
pub(super) struct Answer {
    pub(super) state: Data<ApiState>,
    pub(super) head: Head,
    /// The prompts with their texts, where the texts are echoed.
    pub(super) prompts: Vec<Prompt>,
    /// Choices a prompt.
    pub(super) n: usize,
    pub(super) shows: Shows,
    pub(super) view: TokenView,
}

/// What the client asked to see beside the generated text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shows {
    /// The prompt before the answer.
    pub(super) echo: bool,
    /// Log-probabilities.
    pub(super) logprobs: bool,
}

impl Answer {
    /// Takes from the request what the response repeats.
    pub(super) fn new(
        state: &Data<ApiState>,
        request: &CompletionRequest,
        job: &Job,
    ) -> Result<Self, ApiError> {
        let shows = Shows { echo: request.echo, logprobs: request.sampling.logprobs.is_some() };
        let mut prompts = job.prompts.clone();
        for prompt in prompts.iter_mut().filter(|prompt| shows.echo && prompt.text.is_none()) {
            prompt.text = Some(state.decode(&prompt.ids)?);
        }
        Ok(Self {
            head: Head::new(state, "cmpl", &job.wearer),
            state: Data::clone(state),
            prompts,
            n: request.n,
            shows,
            view: request.view,
        })
    }

    /// The `text_completion` object.
    pub(super) fn whole(&self, outputs: &[Output]) -> Value {
        let choices = outputs.iter().enumerate().map(|(index, output)| self.choice(index, output));
        let mut body = self.head.object("text_completion", choices.collect());
        body.insert("usage".into(), usage::total(outputs.iter().map(|o| &o.usage), self.n));
        Value::Object(body)
    }

    /// The prompt that a choice completes.
    pub(super) fn prompt_of(&self, choice: usize) -> &Prompt {
        &self.prompts[choice / self.n]
    }

    /// The text that stands before the generated one.
    pub(super) fn echoed(&self, choice: usize) -> &str {
        let text = self.prompt_of(choice).text.as_deref().unwrap_or("");
        if self.shows.echo { text } else { "" }
    }

    fn choice(&self, index: usize, output: &Output) -> Value {
        let mut choice = Map::new();
        choice.insert("index".into(), index.into());
        choice.insert("text".into(), format!("{}{}", self.echoed(index), output.text).into());
        choice.insert("logprobs".into(), self.logprobs(index, output));
        choice.insert("finish_reason".into(), usage::reason(output.reason).into());
        choice.insert("stop_reason".into(), usage::stop(output.stop.as_ref()));
        if self.view.ids {
            choice.insert("prompt_token_ids".into(), json!(self.prompt_of(index).ids));
            choice.insert("token_ids".into(), json!(output.ids));
        }
        Value::Object(choice)
    }

    fn logprobs(&self, index: usize, output: &Output) -> Value {
        if !self.shows.logprobs {
            return Value::Null;
        }
        let mut list = CompletionLogprobs::default();
        let mut offsets = Offsets::default();
        self.add_prompt(&mut list, &mut offsets, index, &output.prompt_logprobs);
        for token in &output.logprobs {
            self.add_token(&mut list, &mut offsets, token);
        }
        list.into_json()
    }

    /// The echoed prompt's tokens, which are none without `echo`.
    pub(super) fn add_prompt(
        &self,
        list: &mut CompletionLogprobs,
        offsets: &mut Offsets,
        index: usize,
        logprobs: &[Option<TokenLogprob>],
    ) {
        let text = self.echoed(index);
        for (&id, logprob) in self.prompt_of(index).ids.iter().zip(logprobs) {
            let bytes = self.namer().bytes(id);
            let offset = offsets.next_in(text, &bytes, self.state.tokenizer.is_special(id));
            list.push(self.namer(), id, logprob.as_ref(), offset);
        }
    }

    /// One generated token.
    pub(super) fn add_token(
        &self,
        list: &mut CompletionLogprobs,
        offsets: &mut Offsets,
        token: &TokenLogprob,
    ) {
        let silent = self.state.tokenizer.is_special(token.id);
        let bytes = if silent { Vec::new() } else { self.namer().bytes(token.id) };
        list.push(self.namer(), token.id, Some(token), offsets.next(&bytes));
    }

    fn namer(&self) -> TokenNamer<'_> {
        TokenNamer { tokenizer: &self.state.tokenizer, names: self.view.names }
    }
}
