//! `chat.completion.chunk`: the role first, then text as it comes, then why it ended, then (if asked
//! for) the usage.

use serde_json::{Map, Value, json};

use super::response::Answer;
use crate::api::sse::Frames;
use crate::api::stream_options::Streaming;
use crate::api::usage;
use crate::engine::{Event, TokenLogprob, Usage};

/// Dresses the events of a chat answer.
pub(super) struct ChatFrames {
    answer: Answer,
    streaming: Streaming,
    n: usize,
    /// Of each choice that has ended.
    usages: Vec<Usage>,
}

impl ChatFrames {
    /// Frames for `n` choices.
    pub(super) fn new(answer: Answer, streaming: Streaming, n: usize) -> Self {
        Self { answer, streaming, n, usages: vec![Usage::default(); n] }
    }

    fn chunk(&self, choices: Vec<Value>) -> Map<String, Value> {
        let mut chunk = self.answer.head.object("chat.completion.chunk", choices);
        if self.streaming.include_usage {
            chunk.insert("usage".into(), Value::Null);
        }
        chunk
    }

    fn choice(&self, index: usize, delta: Value, more: Option<(&str, Value)>) -> Vec<Value> {
        let mut choice = Map::new();
        choice.insert("index".into(), index.into());
        choice.insert("delta".into(), delta);
        choice.insert("logprobs".into(), Value::Null);
        choice.insert("finish_reason".into(), Value::Null);
        choice.extend(more.map(|(name, value)| (name.to_owned(), value)));
        vec![Value::Object(choice)]
    }

    fn token(
        &self,
        index: usize,
        id: u32,
        text: String,
        logprob: Option<TokenLogprob>,
    ) -> Vec<Value> {
        let with_ids = self.answer.prompt_token_ids.is_some();
        if text.is_empty() && logprob.is_none() && !with_ids {
            return Vec::new();
        }
        let mut choices = self.choice(index, json!({ "content": text }), None);
        if let Some(logprob) = logprob {
            choices[0]["logprobs"] = self.answer.logprobs(&[logprob]);
        }
        if with_ids {
            choices[0]["token_ids"] = json!([id]);
        }
        vec![Value::Object(self.chunk(choices))]
    }
}

impl Frames for ChatFrames {
    fn open(&mut self) -> Vec<Value> {
        let first = |index| {
            let delta = json!({ "role": "assistant", "content": "" });
            let mut chunk = self.chunk(self.choice(index, delta, None));
            if let Some(ids) = &self.answer.prompt_token_ids {
                chunk.insert("prompt_token_ids".into(), json!(ids));
            }
            Value::Object(chunk)
        };
        (0..self.n).map(first).collect()
    }

    fn event(&mut self, choice: usize, event: Event) -> Vec<Value> {
        match event {
            Event::Token { id, text, logprob } => self.token(choice, id, text, logprob),
            Event::Finished { reason, stop, usage } => {
                self.usages[choice] = usage;
                let reason = ("finish_reason", usage::reason(reason).into());
                let mut choices = self.choice(choice, json!({}), Some(reason));
                choices[0]["stop_reason"] = usage::stop(stop.as_ref());
                vec![Value::Object(self.chunk(choices))]
            }
            Event::Prompt { .. } | Event::Failed { .. } => Vec::new(),
        }
    }

    fn close(&mut self) -> Vec<Value> {
        if !self.streaming.include_usage {
            return Vec::new();
        }
        let mut chunk = self.chunk(Vec::new());
        chunk.insert("usage".into(), usage::total(self.usages.iter(), self.n));
        vec![Value::Object(chunk)]
    }
}
