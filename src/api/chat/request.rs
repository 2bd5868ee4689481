//! The fields of a chat request. What cannot be honoured is refused by name; what changes nothing
//! about the answer is accepted.

use serde_json::{Value, json};

use super::messages::Conversation;
use crate::api::error::ApiError;
use crate::api::fields::Fields;
use crate::api::generation::Budget;
use crate::api::logprobs::TokenView;
use crate::api::sampling::{self, SamplingDefaults};
use crate::api::state::ApiState;
use crate::api::stream_options::Streaming;
use crate::engine::SamplingParams;

/// Most choices of one request (OpenAI's limit).
const MAX_N: i64 = 128;

/// Most alternatives for each token (OpenAI's limit, and the engine's).
const MAX_TOP_LOGPROBS: i64 = 20;

/// A request whose every field was understood.
#[derive(Debug)]
pub(super) struct ChatRequest {
    pub(super) model: String,
    pub(super) conversation: Conversation,
    pub(super) add_special_tokens: bool,
    pub(super) n: usize,
    pub(super) budget: Budget,
    pub(super) sampling: SamplingParams,
    pub(super) stream: Streaming,
    pub(super) view: TokenView,
}

impl ChatRequest {
    /// Reads a body.
    pub(super) fn read(body: Value, state: &ApiState) -> Result<Self, ApiError> {
        let mut fields = Fields::new(body)?;
        refuse(&mut fields)?;
        let model = fields.text("model")?;
        let mut sampling = sampling::read(&mut fields, &state.config.defaults)?;
        sampling.logprobs = logprobs(&mut fields)?;
        let request = Self {
            model,
            conversation: Conversation::read(&mut fields)?,
            add_special_tokens: fields.boolean("add_special_tokens")?.unwrap_or(false),
            n: fields.integer("n", 1..=MAX_N)?.and_then(|n| usize::try_from(n).ok()).unwrap_or(1),
            budget: budget(&mut fields, &state.config.defaults)?,
            sampling,
            stream: Streaming::read(&mut fields)?,
            view: TokenView::read(&mut fields)?,
        };
        fields.finish()?;
        Ok(request)
    }
}

/// `max_completion_tokens` and its older name; without either, the model's own figure or all the
/// room there is.
fn budget(fields: &mut Fields, defaults: &SamplingDefaults) -> Result<Budget, ApiError> {
    let older = fields.count("max_tokens", 1)?;
    let newer = fields.count("max_completion_tokens", 1)?;
    let most = Budget::AtMost(defaults.max_tokens.unwrap_or(usize::MAX));
    Ok(newer.or(older).map_or(most, Budget::Asked))
}

/// `logprobs` switches them on; `top_logprobs` says how many alternatives.
fn logprobs(fields: &mut Fields) -> Result<Option<usize>, ApiError> {
    let on = fields.boolean("logprobs")?.unwrap_or(false);
    let top = fields.integer("top_logprobs", 0..=MAX_TOP_LOGPROBS)?;
    match (on, top.and_then(|top| usize::try_from(top).ok())) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => {
            let message = "`top_logprobs` is only allowed when `logprobs` is true";
            Err(ApiError::field("top_logprobs", message))
        }
    }
}

fn refuse(fields: &mut Fields) -> Result<(), ApiError> {
    fields.accept(&[
        "user",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prediction",
        "parallel_tool_calls",
    ]);
    fields.only("store", &[json!(false)])?;
    fields.only("service_tier", &[json!("auto"), json!("default")])?;
    fields.only("modalities", &[json!(["text"])])?;
    fields.only("response_format", &[json!({"type": "text"})])?;
    fields.only("echo", &[json!(false)])?;
    for name in [
        "audio",
        "functions",
        "function_call",
        "web_search_options",
        "reasoning_effort",
        "verbosity",
    ] {
        fields.only(name, &[])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: Value) -> Fields {
        Fields::new(body).unwrap()
    }

    #[test]
    fn the_model_says_how_long_an_answer_is_where_the_client_does_not() {
        let model = SamplingDefaults { max_tokens: Some(64), ..SamplingDefaults::default() };
        let asked = |body: Value, defaults| budget(&mut fields(body), defaults).unwrap();
        assert!(matches!(asked(json!({}), &model), Budget::AtMost(64)));
        assert!(matches!(asked(json!({"max_tokens": 99}), &model), Budget::Asked(99)));
        let none = SamplingDefaults::default();
        assert!(matches!(asked(json!({}), &none), Budget::AtMost(usize::MAX)));
    }

    #[test]
    fn top_logprobs_need_logprobs() {
        assert_eq!(logprobs(&mut fields(json!({}))).unwrap(), None);
        assert_eq!(logprobs(&mut fields(json!({"logprobs": true}))).unwrap(), Some(0));
        let both = json!({"logprobs": true, "top_logprobs": 5});
        assert_eq!(logprobs(&mut fields(both)).unwrap(), Some(5));
        assert!(logprobs(&mut fields(json!({"top_logprobs": 5}))).is_err());
        let many = json!({"logprobs": true, "top_logprobs": 21});
        assert!(logprobs(&mut fields(many)).is_err());
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_and_what_is_harmless_is_not() {
        let harmless = json!({
            "user": "u", "metadata": {}, "store": false, "response_format": {"type": "text"},
            "service_tier": "auto", "modalities": ["text"], "audio": null,
        });
        let mut body = fields(harmless);
        refuse(&mut body).unwrap();
        body.finish().unwrap();
        for (name, value) in [
            ("response_format", json!({"type": "json_object"})),
            ("store", json!(true)),
            ("audio", json!({"voice": "x"})),
            ("modalities", json!(["text", "audio"])),
            ("functions", json!([])),
        ] {
            let error = refuse(&mut fields(json!({ name: value }))).unwrap_err();
            assert_eq!(error.envelope()["error"]["param"], name);
            assert_eq!(error.envelope()["error"]["code"], "unsupported_parameter");
        }
    }
}
