//! The chunks of a streamed completion: each is a `text_completion` with the text that is new.

use serde_json::{Map, Value, json};

use super::response::Answer;
use crate::api::logprobs::{CompletionLogprobs, Offsets};
use crate::api::sse::Frames;
use crate::api::stream_options::Streaming;
use crate::api::usage;
use crate::engine::{Event, TokenLogprob, Usage};

/// Dresses the events of a completion.
pub(super) struct CompletionFrames {
    answer: Answer,
    streaming: Streaming,
    /// How far each choice's text has come.
    offsets: Vec<Offsets>,
    /// Of each choice that has ended.
    usages: Vec<Usage>,
}

impl CompletionFrames {
    /// Frames for every choice of every prompt.
    pub(super) fn new(answer: Answer, streaming: Streaming) -> Self {
        let choices = answer.prompts.len() * answer.n;
        let offsets = (0..choices).map(|_| Offsets::default()).collect();
        Self { answer, streaming, offsets, usages: vec![Usage::default(); choices] }
    }

    fn chunk(&self, choices: Vec<Value>) -> Value {
        let mut chunk = self.answer.head.object("text_completion", choices);
        if self.streaming.include_usage {
            chunk.insert("usage".into(), Value::Null);
        }
        Value::Object(chunk)
    }

    fn choice(index: usize, text: &str) -> Map<String, Value> {
        let mut choice = Map::new();
        choice.insert("index".into(), index.into());
        choice.insert("text".into(), text.into());
        choice.insert("logprobs".into(), Value::Null);
        choice.insert("finish_reason".into(), Value::Null);
        choice
    }

    /// The echoed prompt, with its log-probabilities where asked for.
    fn prompt(&mut self, index: usize, logprobs: Option<&[Option<TokenLogprob>]>) -> Value {
        let mut choice = Self::choice(index, self.answer.echoed(index));
        if let Some(logprobs) = logprobs {
            let mut list = CompletionLogprobs::default();
            self.answer.add_prompt(&mut list, &mut self.offsets[index], index, logprobs);
            choice.insert("logprobs".into(), list.into_json());
        }
        if self.answer.view.ids {
            choice.insert("prompt_token_ids".into(), json!(self.answer.prompt_of(index).ids));
        }
        self.chunk(vec![Value::Object(choice)])
    }

    fn token(
        &mut self,
        index: usize,
        id: u32,
        text: &str,
        logprob: Option<&TokenLogprob>,
    ) -> Vec<Value> {
        if text.is_empty() && logprob.is_none() && !self.answer.view.ids {
            return Vec::new();
        }
        let mut choice = Self::choice(index, text);
        if let Some(logprob) = logprob {
            let mut list = CompletionLogprobs::default();
            self.answer.add_token(&mut list, &mut self.offsets[index], logprob);
            choice.insert("logprobs".into(), list.into_json());
        }
        if self.answer.view.ids {
            choice.insert("token_ids".into(), json!([id]));
        }
        vec![self.chunk(vec![Value::Object(choice)])]
    }
}

impl Frames for CompletionFrames {
    fn open(&mut self) -> Vec<Value> {
        let shows = self.answer.shows;
        let with_logprobs = shows.echo && shows.logprobs;
        if with_logprobs || !(shows.echo || self.answer.view.ids) {
            return Vec::new();
        }
        (0..self.offsets.len()).map(|index| self.prompt(index, None)).collect()
    }

    fn event(&mut self, choice: usize, event: Event) -> Vec<Value> {
        match event {
            Event::Prompt { logprobs } => vec![self.prompt(choice, Some(&logprobs))],
            Event::Token { id, text, logprob } => self.token(choice, id, &text, logprob.as_ref()),
            Event::Finished { reason, stop, usage } => {
                self.usages[choice] = usage;
                let mut last = Self::choice(choice, "");
                last.insert("finish_reason".into(), usage::reason(reason).into());
                last.insert("stop_reason".into(), usage::stop(stop.as_ref()));
                vec![self.chunk(vec![Value::Object(last)])]
            }
            Event::Failed { .. } => Vec::new(),
        }
    }

    fn close(&mut self) -> Vec<Value> {
        if !self.streaming.include_usage {
            return Vec::new();
        }
        let mut chunk = self.chunk(Vec::new());
        chunk["usage"] = usage::total(self.usages.iter(), self.answer.n);
        vec![chunk]
    }
}
