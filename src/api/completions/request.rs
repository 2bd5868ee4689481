//! The fields of a completion request.

use serde_json::{Value, json};

use super::prompt::{self, PromptInput};
use crate::api::error::ApiError;
use crate::api::fields::Fields;
use crate::api::generation::Budget;
use crate::api::logprobs::TokenView;
use crate::api::sampling;
use crate::api::state::ApiState;
use crate::api::stream_options::Streaming;
use crate::engine::SamplingParams;

/// OpenAI's `max_tokens` for those who do not say.
const DEFAULT_MAX_TOKENS: usize = 16;
/// Most choices for one prompt (OpenAI's limit).
const MAX_N: i64 = 128;

/// A request whose every field was understood.
#[derive(Debug)]
pub(super) struct CompletionRequest {
    pub(super) model: String,
    pub(super) prompts: Vec<PromptInput>,
    pub(super) add_special_tokens: bool,
    pub(super) n: usize,
    pub(super) echo: bool,
    pub(super) budget: Budget,
    pub(super) sampling: SamplingParams,
    pub(super) stream: Streaming,
    pub(super) view: TokenView,
}

impl CompletionRequest {
    /// Reads a body.
    pub(super) fn read(body: Value, state: &ApiState) -> Result<Self, ApiError> {
        let mut fields = Fields::new(body)?;
        let model = fields.text("model")?;
        let n = fields.integer("n", 1..=MAX_N)?.unwrap_or(1);
        refuse(&mut fields, n)?;
        let mut sampling = sampling::read(&mut fields, &state.config.defaults)?;
        let echo = fields.boolean("echo")?.unwrap_or(false);
        sampling.logprobs = fields.count("logprobs", 0)?;
        sampling.prompt_logprobs = sampling.logprobs.filter(|_| echo);
        let request = Self {
            model,
            prompts: prompt::read(&mut fields)?,
            add_special_tokens: fields.boolean("add_special_tokens")?.unwrap_or(true),
            n: usize::try_from(n).unwrap_or(1),
            echo,
            budget: budget(&mut fields)?,
            sampling,
            stream: Streaming::read(&mut fields)?,
            view: TokenView::read(&mut fields)?,
        };
        fields.finish()?;
        Ok(request)
    }
}

fn budget(fields: &mut Fields) -> Result<Budget, ApiError> {
    let asked = fields.count("max_tokens", 0)?;
    Ok(asked.map_or(Budget::AtMost(DEFAULT_MAX_TOKENS), Budget::Asked))
}

fn refuse(fields: &mut Fields, n: i64) -> Result<(), ApiError> {
    fields.accept(&["user"]);
    fields.only("best_of", &[json!(n)])?;
    fields.only("suffix", &[json!("")])?;
    fields.only("response_format", &[json!({"type": "text"})])
}
