//! The one error of the HTTP layer and its OpenAI envelope
//! `{"error": {"message", "type", "param", "code"}}`.
//!
//! Leaves out: how other layers describe their failures; they are turned into one of these variants
//! where they are met.

use std::time::Duration;

use actix_web::{HttpResponse, ResponseError, http::StatusCode, http::header};
use serde_json::{Value, json};

use super::fields::brief;

/// A request that is not answered, in OpenAI's terms.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// 400: a field is missing, of the wrong type, out of range, or cannot be honoured.
    #[error("{message}")]
    Invalid {
        /// One sentence: what, expected, found.
        message: String,
        /// The field, as OpenAI names it (`messages[0].content`).
        param: Option<String>,
        /// A stable word for programs, where there is one.
        code: Option<&'static str>,
    },
    /// 401: an API key is needed and was not given, or is wrong.
    #[error("{0}")]
    Unauthorized(String),
    /// 404 `model_not_found`: neither the base nor an adapter has this name.
    #[error("the model `{}` does not exist; GET /v1/models lists what is served", brief(.0))]
    ModelNotFound(String),
    /// 404: nothing at this path, or no such file.
    #[error("{0}")]
    NotFound(String),
    /// 405: the path exists, but not for this method.
    #[error("{0}")]
    MethodNotAllowed(String),
    /// 413: the body is longer than the server takes.
    #[error("{0}")]
    TooLarge(String),
    /// 415: the body is not declared as JSON.
    #[error("{0}")]
    NotJson(String),
    /// 429: the queue is full.
    #[error("the request queue is full; try again in {} s", seconds(*.retry_after))]
    QueueFull {
        /// When room is expected.
        retry_after: Duration,
    },
    /// 503: the server is stopping.
    #[error("{message}")]
    Unavailable {
        /// Why.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// 500: the engine failed.
    #[error("{0}")]
    Internal(String),
}

impl ApiError {
    /// A 400 about one field.
    pub fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), param: Some(param.into()), code: None }
    }

    /// A 400 about the request as a whole.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), param: None, code: None }
    }

    /// A 400 `unsupported_parameter`: the field is known, and cannot be honoured.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            param: Some(param.into()),
            code: Some("unsupported_parameter"),
        }
    }

    /// A 400 `context_length_exceeded`, worded as OpenAI words it.
    pub fn context_length(limit: usize, prompt: usize, completion: usize) -> Self {
        let total = prompt + completion;
        Self::Invalid {
            message: format!(
                "this model's maximum context length is {limit} tokens, but {total} were asked \
                 for ({prompt} in the prompt, {completion} for the completion); shorten the \
                 prompt or lower max_tokens"
            ),
            param: None,
            code: Some("context_length_exceeded"),
        }
    }

    /// The same of a text that was not even cut into tokens, so long is it.
    pub fn text_too_long(limit: usize, bytes: usize, fewest: usize) -> Self {
        Self::Invalid {
            message: format!(
                "this model's maximum context length is {limit} tokens, but a text of {bytes} bytes \
                 has at least {fewest}; shorten it"
            ),
            param: None,
            code: Some("context_length_exceeded"),
        }
    }

    /// The body: OpenAI's envelope.
    pub fn envelope(&self) -> Value {
        json!({ "error": {
            "message": self.to_string(),
            "type": self.kind(),
            "param": self.param(),
            "code": self.code(),
        }})
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::QueueFull { .. } => "rate_limit_error",
            Self::Unavailable { .. } | Self::Internal(_) => "server_error",
            Self::Unauthorized(_) => "authentication_error",
            _ => "invalid_request_error",
        }
    }

    fn param(&self) -> Option<&str> {
        match self {
            Self::Invalid { param, .. } => param.as_deref(),
            Self::ModelNotFound(_) => Some("model"),
            _ => None,
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { code, .. } => *code,
            Self::Unauthorized(_) => Some("invalid_api_key"),
            Self::ModelNotFound(_) => Some("model_not_found"),
            Self::QueueFull { .. } => Some("rate_limit_exceeded"),
            Self::Unavailable { .. } => Some("service_unavailable"),
            Self::TooLarge(_) => Some("request_too_large"),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after } | Self::Unavailable { retry_after, .. } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }
}

/// Whole seconds, at least one: what `Retry-After` can say.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs_f64().ceil().max(1.0) as u64
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Invalid { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::ModelNotFound(_) | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::QueueFull { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(after) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, seconds(after).to_string()));
        }
        response.json(self.envelope())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_all_four_fields_of_openai() {
        let error = ApiError::field("temperature", "temperature must be at most 2, found 3");
        let expected = json!({ "error": {
            "message": "temperature must be at most 2, found 3",
            "type": "invalid_request_error",
            "param": "temperature",
            "code": null,
        }});
        assert_eq!(error.envelope(), expected);
    }

    #[test]
    fn a_long_name_is_not_echoed_whole() {
        let error = ApiError::ModelNotFound("é".repeat(5000)).to_string();
        assert!(error.contains(&format!("`{}...`", "é".repeat(80))), "{error}");
        assert!(error.len() < 300, "{error}");
    }

    #[test]
    fn a_full_queue_says_when_to_come_back_in_whole_seconds() {
        let error = ApiError::QueueFull { retry_after: Duration::from_millis(1200) };
        let response = error.error_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers().get("retry-after").unwrap(), "2");
    }
}
