//! `chat.completion`: the whole answer, and what its chunks share with it.
//!
//! `content` is what the model wrote, `<think>` blocks and tool-call text included: nothing is cut out
//! of it.

use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::request::ChatRequest;
use crate::api::generation::{Job, Output};
use crate::api::head::Head;
use crate::api::logprobs::{TokenNamer, TokenNames};
use crate::api::state::ApiState;
use crate::api::usage;
use crate::engine::TokenLogprob;

/// What every object of one answer needs.
pub(super) struct Answer {
    pub(super) state: Data<ApiState>,
    pub(super) head: Head,
    names: TokenNames,
    /// The prompt's ids, where the client asked for ids.
    pub(super) prompt_token_ids: Option<Vec<u32>>,
    logprobs: bool,
}

impl Answer {
    /// Takes from the request what the response repeats.
    pub(super) fn new(state: &Data<ApiState>, request: &ChatRequest, job: &Job) -> Self {
        Self {
            head: Head::new(state, "chatcmpl", &job.wearer),
            state: Data::clone(state),
            names: request.view.names,
            prompt_token_ids: request.view.ids.then(|| job.prompts[0].ids.clone()),
            logprobs: request.sampling.logprobs.is_some(),
        }
    }

    /// The `chat.completion` object.
    pub(super) fn whole(&self, outputs: &[Output]) -> Value {
        let choices = outputs.iter().enumerate().map(|(index, output)| self.choice(index, output));
        let mut body = self.head.object("chat.completion", choices.collect());
        if let Some(ids) = &self.prompt_token_ids {
            body.insert("prompt_token_ids".into(), json!(ids));
        }
        body.insert("usage".into(), usage::total(outputs.iter().map(|o| &o.usage), outputs.len()));
        Value::Object(body)
    }

    fn choice(&self, index: usize, output: &Output) -> Value {
        let mut choice = Map::new();
        choice.insert("index".into(), index.into());
        choice.insert(
            "message".into(),
            json!({ "role": "assistant", "content": output.text, "refusal": null }),
        );
        choice.insert("logprobs".into(), self.logprobs(&output.logprobs));
        choice.insert("finish_reason".into(), usage::reason(output.reason).into());
        choice.insert("stop_reason".into(), usage::stop(output.stop.as_ref()));
        if self.prompt_token_ids.is_some() {
            choice.insert("token_ids".into(), json!(output.ids));
        }
        Value::Object(choice)
    }

    /// `{"content": [...]}`, or null where no log-probabilities were asked for.
    pub(super) fn logprobs(&self, tokens: &[TokenLogprob]) -> Value {
        if !self.logprobs {
            return Value::Null;
        }
        let namer = TokenNamer { tokenizer: &self.state.tokenizer, names: self.names };
        let content: Vec<Value> = tokens.iter().map(|token| namer.chat(token)).collect();
        json!({ "content": content, "refusal": null })
    }
}
