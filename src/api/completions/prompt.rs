//! The four forms of `prompt`: a text, token ids, a list of texts, a list of token-id lists.

use serde_json::Value;

use super::request::CompletionRequest;
use crate::api::error::ApiError;
use crate::api::fields::Fields;
use crate::api::generation::{Prompt, fits_queue};
use crate::api::sampling::token_id;
use crate::api::state::ApiState;

/// One prompt as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PromptInput {
    /// Text, to be cut into tokens here.
    Text(String),
    /// Tokens, taken as they are.
    Ids(Vec<u32>),
}

/// Reads `prompt`.
pub(super) fn read(fields: &mut Fields) -> Result<Vec<PromptInput>, ApiError> {
    match fields.required("prompt")? {
        Value::String(text) => Ok(vec![PromptInput::Text(text)]),
        Value::Array(list) if list.is_empty() => {
            Err(ApiError::field("prompt", "`prompt` must not be an empty list"))
        }
        Value::Array(list) if list[0].is_number() => Ok(vec![ids(&list)?]),
        Value::Array(list) => list.into_iter().map(element).collect(),
        other => Err(fields.wrong("prompt", "a string, token ids, or a list of either", &other)),
    }
}

fn element(value: Value) -> Result<PromptInput, ApiError> {
    match value {
        Value::String(text) => Ok(PromptInput::Text(text)),
        Value::Array(list) => ids(&list),
        other => {
            let message = format!("`prompt` must hold texts or lists of token ids, found {other}");
            Err(ApiError::field("prompt", message))
        }
    }
}

fn ids(list: &[Value]) -> Result<PromptInput, ApiError> {
    list.iter()
        .map(|value| token_id(value, "prompt"))
        .collect::<Result<_, _>>()
        .map(PromptInput::Ids)
}

/// Cuts texts into tokens; ids are held to the vocabulary by the engine.
pub(super) async fn encode(
    state: &ApiState,
    request: &CompletionRequest,
) -> Result<Vec<Prompt>, ApiError> {
    // Before the work of cutting them up.
    fits_queue(request.prompts.len(), request.n, state.engine.info().max_queue)?;
    let mut prompts = Vec::with_capacity(request.prompts.len());
    for input in &request.prompts {
        prompts.push(match input {
            PromptInput::Text(text) => {
                let ids = state.encode(text, request.add_special_tokens).await?;
                Prompt { text: Some(text.clone()), ids }
            }
            PromptInput::Ids(ids) => Prompt { text: None, ids: ids.clone() },
        });
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prompts(prompt: Value) -> Result<Vec<PromptInput>, ApiError> {
        read(&mut Fields::new(json!({ "prompt": prompt })).unwrap())
    }

    #[test]
    fn all_four_forms_are_read() {
        let text = |text: &str| PromptInput::Text(text.into());
        assert_eq!(prompts(json!("a")).unwrap(), [text("a")]);
        assert_eq!(prompts(json!(["a", "b"])).unwrap(), [text("a"), text("b")]);
        assert_eq!(prompts(json!([1, 2])).unwrap(), [PromptInput::Ids(vec![1, 2])]);
        let two = [PromptInput::Ids(vec![1]), PromptInput::Ids(vec![2, 3])];
        assert_eq!(prompts(json!([[1], [2, 3]])).unwrap(), two);
    }

    #[test]
    fn anything_else_is_refused() {
        for prompt in
            [json!(null), json!([]), json!(3), json!([1, "a"]), json!([-1]), json!([[1.5]])]
        {
            let error = prompts(prompt.clone()).expect_err(&prompt.to_string());
            assert_eq!(error.envelope()["error"]["param"], "prompt");
        }
    }
}
