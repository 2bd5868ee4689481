//! Conversations as templates see them: what transformers does to messages before rendering, and
//! the cut after the last message when it is to be continued.

use serde_json::{Map, Value};

use super::{TemplateError, python};

/// Marks the end of the message to continue (transformers' text, so that trimming templates act
/// alike).
const TAG: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// Names under which a message's reasoning is passed; the first is the one that templates read.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// Checks that `messages` is a conversation, drops keys that are null, and aliases the reasoning
/// fields.
pub(super) fn prepare(messages: &Value) -> Result<Value, TemplateError> {
    let list = messages.as_array().filter(|list| !list.is_empty()).ok_or_else(|| {
        TemplateError::Messages("`messages` must be a list with at least one message".to_owned())
    })?;
    list.iter()
        .enumerate()
        .map(|(index, message)| match message {
            Value::Object(fields) => Ok(Value::Object(alias(fields))),
            other => Err(TemplateError::Messages(format!(
                "message {index} must be an object with `role` and `content`, found {other}"
            ))),
        })
        .collect::<Result<Vec<Value>, _>>()
        .map(Value::Array)
}

fn alias(fields: &Map<String, Value>) -> Map<String, Value> {
    let kept = fields.iter().filter(|(_, value)| !value.is_null());
    let kept: Map<String, Value> = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
    let Some(reasoning) = REASONING.iter().find_map(|name| kept.get(*name)).cloned() else {
        return kept;
    };
    let mut aliased = Map::from_iter([("thinking".to_owned(), reasoning.clone())]);
    aliased.extend(kept);
    aliased.insert(REASONING[0].to_owned(), reasoning);
    aliased
}

/// Appends [`TAG`] to the text of the last message and returns that text.
pub(super) fn tag_last(messages: &mut Value) -> Result<String, TemplateError> {
    let nothing = || {
        TemplateError::Messages(
            "the last message has no text to continue; give it `content`, or ask for a new message"
                .to_owned(),
        )
    };
    let content = messages
        .as_array_mut()
        .and_then(|list| list.last_mut())
        .and_then(|message| message.get_mut("content"))
        .ok_or_else(nothing)?;
    let text = match content {
        Value::String(text) => text,
        Value::Array(parts) => match parts.iter_mut().rev().find_map(|part| part.get_mut("text")) {
            Some(Value::String(text)) => text,
            _ => return Err(nothing()),
        },
        _ => return Err(nothing()),
    };
    let last = text.clone();
    text.push_str(TAG);
    Ok(last)
}

/// Cuts `rendered` where the tag stands; where the template trimmed the tag's space, trailing space
/// of the message goes too.
pub(super) fn cut_at_tag(mut rendered: String, last: &str) -> Result<String, TemplateError> {
    let found = rendered.rfind(TAG.trim()).filter(|_| rendered.contains(python::trim(last)));
    let Some(at) = found else {
        return Err(TemplateError::Messages(
            "the chat template does not show the last message as it is, so it cannot be continued"
                .to_owned(),
        ));
    };
    let kept = rendered[at..].starts_with(TAG);
    rendered.truncate(at);
    if !kept {
        rendered.truncate(python::trim_end(&rendered).len());
    }
    Ok(rendered)
}

/// Turns tool-call `arguments` that are JSON text, as OpenAI's API writes them, into the objects
/// that templates expect. Text that is not a JSON object stays as it is.
pub fn parse_tool_arguments(messages: &mut Value) {
    let calls = messages
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(|message| message.get_mut("tool_calls")?.as_array_mut())
        .flatten();
    for call in calls {
        let Some(arguments) = call.get_mut("function").and_then(|f| f.get_mut("arguments")) else {
            continue;
        };
        let parsed = arguments
            .as_str()
            .and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
        if let Some(parsed) = parsed {
            *arguments = Value::Object(parsed);
        }
    }
}
