//! The sampling fields that chat and completions share, OpenAI's and vLLM's, read into the engine's
//! [`SamplingParams`].
//!
//! Leaves out `max_tokens` and the log-probability fields: their defaults and shapes differ by
//! endpoint.

use serde_json::Value;

use super::error::ApiError;
use super::fields::Fields;
use crate::engine::SamplingParams;

/// What a request that does not say gets: the model's `generation_config.json`, else OpenAI's
/// defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingDefaults {
    /// Softmax temperature; 0 is greedy.
    pub temperature: f32,
    /// Nucleus mass.
    pub top_p: f32,
    /// How many tokens stay in the draw; 0 is all.
    pub top_k: usize,
    /// Least probability relative to the best token's.
    pub min_p: f32,
    /// CTRL's penalty on tokens already seen; 1 is none.
    pub repetition_penalty: f32,
    /// Most tokens of a chat's answer; `None` is all the room there is.
    pub max_tokens: Option<usize>,
}

impl Default for SamplingDefaults {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            max_tokens: None,
        }
    }
}

/// Reads the sampling fields; `max_tokens`, `logprobs` and `prompt_logprobs` are the caller's to
/// set. Types are checked here, ranges by the engine when the request is submitted.
pub(crate) fn read(
    fields: &mut Fields,
    defaults: &SamplingDefaults,
) -> Result<SamplingParams, ApiError> {
    fields.only("skip_special_tokens", &[Value::Bool(true)])?;
    fields.only("spaces_between_special_tokens", &[Value::Bool(true)])?;
    fields.only("use_beam_search", &[Value::Bool(false)])?;
    fields.only("priority", &[Value::from(0)])?;
    Ok(SamplingParams {
        temperature: temperature(fields)?.unwrap_or(defaults.temperature),
        top_p: top_p(fields)?.unwrap_or(defaults.top_p),
        top_k: top_k(fields)?.unwrap_or(defaults.top_k),
        min_p: fields.number("min_p")?.unwrap_or(defaults.min_p),
        repetition_penalty: fields
            .number("repetition_penalty")?
            .unwrap_or(defaults.repetition_penalty),
        presence_penalty: fields.number("presence_penalty")?.unwrap_or(0.0),
        frequency_penalty: fields.number("frequency_penalty")?.unwrap_or(0.0),
        logit_bias: logit_bias(fields)?,
        seed: fields.integer("seed", i64::MIN..=i64::MAX)?.map(i64::cast_unsigned),
        max_tokens: 0,
        min_tokens: fields.count("min_tokens", 0)?.unwrap_or(0),
        stop: fields.strings("stop")?,
        stop_token_ids: token_ids(fields, "stop_token_ids")?.unwrap_or_default(),
        ignore_eos: fields.boolean("ignore_eos")?.unwrap_or(false),
        include_stop_str_in_output: fields.boolean("include_stop_str_in_output")?.unwrap_or(false),
        logprobs: None,
        prompt_logprobs: None,
    })
}

/// OpenAI's range; the engine alone would take more.
fn temperature(fields: &mut Fields) -> Result<Option<f32>, ApiError> {
    let value = fields.number("temperature")?;
    match value {
        Some(t) if !(0.0..=2.0).contains(&t) => {
            let message = format!("`temperature` must be a number from 0 to 2, but is {t}");
            Err(ApiError::field("temperature", message))
        }
        _ => Ok(value),
    }
}

/// OpenAI's range holds 0, which leaves the most probable token alone in the nucleus.
fn top_p(fields: &mut Fields) -> Result<Option<f32>, ApiError> {
    let value = fields.number("top_p")?;
    Ok(value.map(|p| if p == 0.0 { f32::MIN_POSITIVE } else { p }))
}

/// vLLM's `top_k`: -1 and 0 both mean all.
fn top_k(fields: &mut Fields) -> Result<Option<usize>, ApiError> {
    let value = fields.integer("top_k", -1..=i64::from(u32::MAX))?;
    Ok(value.map(|k| usize::try_from(k).unwrap_or(0)))
}

/// `{"TOKEN ID": bias}`.
fn logit_bias(fields: &mut Fields) -> Result<Vec<(u32, f32)>, ApiError> {
    let map = match fields.take("logit_bias") {
        None => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(fields.wrong("logit_bias", "an object", &other)),
    };
    map.iter()
        .map(|(key, value)| match (key.parse::<u32>(), value.as_f64()) {
            (Ok(id), Some(bias)) => Ok((id, bias as f32)),
            _ => {
                let found = format!("{key:?}: {value}");
                let message = format!("`logit_bias` must map token ids to numbers, found {found}");
                Err(ApiError::field("logit_bias", message))
            }
        })
        .collect()
}

/// A list of token ids; whether the vocabulary has them is checked later.
pub(crate) fn token_ids(fields: &mut Fields, name: &str) -> Result<Option<Vec<u32>>, ApiError> {
    match fields.take(name) {
        None => Ok(None),
        Some(Value::Array(items)) => {
            items.iter().map(|item| token_id(item, name)).collect::<Result<_, _>>().map(Some)
        }
        Some(other) => Err(fields.wrong(name, "a list of token ids", &other)),
    }
}

/// One token id.
pub(crate) fn token_id(value: &Value, param: &str) -> Result<u32, ApiError> {
    value.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| {
        let message = format!("`{param}` must hold token ids, found {value}");
        ApiError::field(param, message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params(body: Value) -> Result<SamplingParams, ApiError> {
        let params = read(&mut Fields::new(body).unwrap(), &SamplingDefaults::default())?;
        let submitted = SamplingParams { max_tokens: 9, ..params.clone() };
        submitted.validate(100).map_err(|error| ApiError::field(error.param, error.to_string()))?;
        Ok(params)
    }

    #[test]
    fn an_empty_request_gets_the_defaults() {
        let defaults = SamplingDefaults {
            temperature: 0.6,
            top_p: 0.95,
            top_k: 20,
            ..SamplingDefaults::default()
        };
        let got = read(&mut Fields::new(json!({})).unwrap(), &defaults).unwrap();
        assert_eq!((got.temperature, got.top_p, got.top_k), (0.6, 0.95, 20));
        assert_eq!((got.min_p, got.repetition_penalty, got.seed), (0.0, 1.0, None));
    }

    #[test]
    fn every_field_is_read() {
        let got = params(json!({
            "temperature": 0, "top_p": 0.5, "top_k": -1, "min_p": 0.1, "repetition_penalty": 1.1,
            "presence_penalty": -1, "frequency_penalty": 2, "logit_bias": {"5": -100}, "seed": -1,
            "min_tokens": 3, "stop": "x", "stop_token_ids": [7], "ignore_eos": true,
            "include_stop_str_in_output": true,
        }))
        .unwrap();
        assert_eq!((got.temperature, got.top_p, got.top_k, got.min_p), (0.0, 0.5, 0, 0.1));
        assert_eq!((got.repetition_penalty, got.presence_penalty), (1.1, -1.0));
        assert_eq!((got.frequency_penalty, got.seed), (2.0, Some(u64::MAX)));
        assert_eq!(got.logit_bias, [(5, -100.0)]);
        assert_eq!((got.min_tokens, got.stop, got.stop_token_ids), (3, vec!["x".into()], vec![7]));
        assert!(got.ignore_eos && got.include_stop_str_in_output);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (body, param) in [
            (json!({"temperature": 3}), "temperature"),
            (json!({"temperature": "hot"}), "temperature"),
            (json!({"logit_bias": {"100": 1}}), "logit_bias"),
            (json!({"logit_bias": {"x": 1}}), "logit_bias"),
            (json!({"stop": [""]}), "stop"),
            (json!({"stop": [1]}), "stop"),
            (json!({"stop_token_ids": [100]}), "stop_token_ids"),
            (json!({"stop_token_ids": [-1]}), "stop_token_ids"),
            (json!({"min_tokens": 10}), "min_tokens"),
            (json!({"skip_special_tokens": false}), "skip_special_tokens"),
        ] {
            let error = params(body.clone()).expect_err(&body.to_string());
            assert_eq!(error.envelope()["error"]["param"], param, "{body}");
        }
    }
}
