//! One training record, in the shapes that TRL documents (`dataset_formats.md`): `messages`,
//! `prompt` with
//! `completion`, `text`; also `conversations` of `from` / `value`. Other columns are passed over,
//! as TRL does.

use serde_json::{Map, Value};

use super::EncodeError;

/// Text, or a list of messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// A JSON list of messages, each an object with a `role`.
    Messages(Vec<Value>),
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// `{"messages": [...]}`: a conversation whose assistant turns are trained.
    Messages {
        /// The messages, without their `weight`.
        messages: Vec<Value>,
        /// For each message, whether it is trained if it is the assistant's (OpenAI's `weight`, 1
        /// unless given).
        trained: Vec<bool>,
        /// What else the template gets.
        extras: Extras,
    },
    /// `{"prompt": ..., "completion": ...}`: the completion is trained. Both text or both messages.
    PromptCompletion {
        /// What comes first.
        prompt: Content,
        /// What is trained.
        completion: Content,
        /// What else the template gets.
        extras: Extras,
    },
    /// `{"text": "..."}`: all of it is trained.
    Text(String),
}

/// The record's own arguments to the chat template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// `tools`: a list of JSON schemas.
    pub tools: Option<Value>,
    /// `chat_template_kwargs`.
    pub kwargs: Map<String, Value>,
}

impl Record {
    /// Reads one line of JSON.
    ///
    /// # Errors
    /// [`EncodeError::Record`] naming the field, what was expected and what was found.
    pub fn parse(line: &str) -> Result<Self, EncodeError> {
        let value =
            serde_json::from_str(line).map_err(|error| refuse(format!("not JSON: {error}")))?;
        match value {
            Value::Object(fields) => Self::from_fields(fields),
            other => Err(refuse(format!("expected a JSON object, found {}", brief(&other)))),
        }
    }

    /// Reads the fields of one record.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_fields(mut fields: Map<String, Value>) -> Result<Self, EncodeError> {
        let extras = Extras::take(&mut fields)?;
        let is_null = |name: &&str| fields.get(*name) == Some(&Value::Null);
        let nulls: Vec<String> =
            SHAPES.iter().copied().filter(is_null).map(str::to_owned).collect();
        let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_null());
        let half = match (take("prompt"), take("completion")) {
            (Some(prompt), Some(completion)) => {
                return prompt_completion(prompt, completion, extras);
            }
            (Some(_), None) => Some("`prompt` has no `completion`"),
            (None, Some(_)) => Some("`completion` has no `prompt`"),
            (None, None) => None,
        };
        if let Some(list) = take("messages") {
            return messages(messages_in("messages", list)?, extras);
        }
        if let Some(list) = take("conversations") {
            return messages(messages_in("conversations", list)?, extras);
        }
        match take("text") {
            Some(Value::String(text)) => Ok(Self::Text(text)),
            Some(other) => Err(refuse(format!("`text` must be a string, found {}", brief(&other)))),
            None => Err(unknown_shape(&fields, &nulls, half)),
        }
    }
}

impl Extras {
    fn take(fields: &mut Map<String, Value>) -> Result<Self, EncodeError> {
        let tools = match fields.remove("tools") {
            // Arrow tables keep tools as JSON text.
            Some(Value::String(text)) => serde_json::from_str(&text).map_err(|error| {
                refuse(format!("`tools` is a string that is not JSON: {error}"))
            })?,
            other => other.unwrap_or_default(),
        };
        let tools = match tools {
            Value::Null => None,
            Value::Array(list) if list.is_empty() => None,
            Value::Array(list) => Some(Value::Array(list)),
            other => {
                return Err(refuse(format!("`tools` must be a list, found {}", brief(&other))));
            }
        };
        let kwargs = match fields.remove("chat_template_kwargs") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(kwargs)) => kwargs,
            Some(other) => {
                return Err(refuse(format!(
                    "`chat_template_kwargs` must be an object, found {}",
                    brief(&other)
                )));
            }
        };
        Ok(Self { tools, kwargs })
    }
}

/// Says what a record is not; `half` is what is wrong with one of prompt and completion alone.
fn unknown_shape(fields: &Map<String, Value>, nulls: &[String], half: Option<&str>) -> EncodeError {
    let found: Vec<&str> = fields.keys().map(String::as_str).collect();
    if found.contains(&"chosen") {
        return refuse(
            "found `chosen`: preference pairs are for preference training, not for this".to_owned(),
        );
    }
    if let Some(half) = half {
        return refuse(half.to_owned());
    }
    if let Some(name) = nulls.first() {
        return refuse(format!("`{name}` is null; give it a value, or leave the record out"));
    }
    refuse(format!(
        "expected `messages`, `prompt` with `completion`, `conversations` or `text`; found {}",
        if found.is_empty() {
            "no such field".to_owned()
        } else {
            format!("`{}`", found.join("`, `"))
        }
    ))
}

fn prompt_completion(
    prompt: Value,
    completion: Value,
    extras: Extras,
) -> Result<Record, EncodeError> {
    let content = |name: &str, value: Value| match value {
        Value::String(text) => Ok(Content::Text(text)),
        list => messages_in(name, list).and_then(|list| unweighted(name, list)),
    };
    let (prompt, completion) = (content("prompt", prompt)?, content("completion", completion)?);
    match (&prompt, &completion) {
        (Content::Text(_), Content::Text(_)) | (Content::Messages(_), Content::Messages(_)) => {
            Ok(Record::PromptCompletion { prompt, completion, extras })
        }
        _ => Err(refuse(
            "`prompt` and `completion` must both be text or both be messages".to_owned(),
        )),
    }
}

fn unweighted(name: &str, list: Vec<Value>) -> Result<Content, EncodeError> {
    if list.iter().any(|message| message.get("weight").is_some()) {
        return Err(refuse(format!(
            "`{name}` has messages with `weight`; weights belong in `messages` records"
        )));
    }
    Ok(Content::Messages(list))
}

/// A list of messages; `from` / `value` become `role` / `content`.
fn messages_in(name: &str, list: Value) -> Result<Vec<Value>, EncodeError> {
    let Value::Array(list) = list else {
        return Err(refuse(format!("`{name}` must be a list of messages, found {}", brief(&list))));
    };
    if list.is_empty() {
        return Err(refuse(format!("`{name}` is empty; it needs at least one message")));
    }
    list.into_iter().enumerate().map(|(index, message)| one_message(name, index, message)).collect()
}

fn one_message(name: &str, index: usize, message: Value) -> Result<Value, EncodeError> {
    let Value::Object(mut fields) = message else {
        return Err(refuse(format!(
            "`{name}[{index}]` must be an object, found {}",
            brief(&message)
        )));
    };
    if let Some(from) = fields.remove("from") {
        let role = match from.as_str() {
            Some("human") => "user".into(),
            Some("gpt") => "assistant".into(),
            _ => from,
        };
        fields.insert("role".to_owned(), role);
    }
    if let Some(value) = fields.remove("value") {
        fields.insert("content".to_owned(), value);
    }
    let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    if !["content", "tool_calls", "function_call"].into_iter().any(has) {
        return Err(refuse(format!(
            "`{name}[{index}]` has no `content`; give it text, or leave it out"
        )));
    }
    match fields.get("role") {
        Some(Value::String(_)) => Ok(Value::Object(fields)),
        Some(other) => {
            Err(refuse(format!("`{name}[{index}].role` must be a string, found {}", brief(other))))
        }
        None => Err(refuse(format!("`{name}[{index}]` has no `role`"))),
    }
}

fn messages(mut messages: Vec<Value>, extras: Extras) -> Result<Record, EncodeError> {
    let trained = messages
        .iter_mut()
        .enumerate()
        .map(|(index, message)| {
            match message.as_object_mut().and_then(|fields| fields.remove("weight")) {
                None | Some(Value::Null) => Ok(true),
                Some(weight) if weight.as_f64() == Some(1.0) => Ok(true),
                Some(weight) if weight.as_f64() == Some(0.0) => Ok(false),
                Some(other) => Err(refuse(format!(
                    "`messages[{index}].weight` must be 0 or 1, found {}",
                    brief(&other)
                ))),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(Record::Messages { messages, trained, extras })
}

fn refuse(reason: String) -> EncodeError {
    EncodeError::Record(reason)
}

/// Fields of which one makes a record.
const SHAPES: [&str; 5] = ["messages", "prompt", "completion", "conversations", "text"];

/// A value short enough for an error message.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}
