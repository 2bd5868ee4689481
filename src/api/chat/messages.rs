//! The conversation of a request, as the chat template wants it.
//!
//! Templates know the roles system, user, assistant and tool, and most drop any other in silence; so
//! `developer` becomes `system` and the unknown is refused. Text parts are joined; other parts are
//! refused, for the models served here read text.

use serde_json::{Map, Value};

use crate::api::error::ApiError;
use crate::api::fields::{Fields, brief, type_name};
use crate::api::state::ApiState;
use crate::model::parse_tool_arguments;

/// What the template is given.
#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    messages: Value,
    tools: Option<Value>,
    kwargs: Map<String, Value>,
    ending: Ending,
}

/// How the rendered text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// With the opening of the assistant's turn.
    AssistantTurn,
    /// After the last message.
    Closed,
    /// Within the last message, which the model goes on writing.
    Continued,
}

impl Conversation {
    /// Reads `messages`, `tools` and vLLM's template fields.
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        let messages = match fields.required("messages")? {
            Value::Array(list) if list.is_empty() => {
                return Err(ApiError::field(
                    "messages",
                    "`messages` must hold at least one message",
                ));
            }
            Value::Array(list) => list,
            other => return Err(fields.wrong("messages", "a list of messages", &other)),
        };
        let messages = messages
            .into_iter()
            .enumerate()
            .map(|(i, m)| message(i, m))
            .collect::<Result<_, _>>()?;
        let mut messages = Value::Array(messages);
        parse_tool_arguments(&mut messages);
        let kwargs = match fields.take("chat_template_kwargs") {
            None => Map::new(),
            Some(Value::Object(map)) => map,
            Some(other) => return Err(fields.wrong("chat_template_kwargs", "an object", &other)),
        };
        Ok(Self { messages, tools: tools(fields)?, kwargs, ending: ending(fields)? })
    }

    /// The text that the model reads.
    pub(crate) fn render(&self, state: &ApiState) -> Result<String, ApiError> {
        let template = state.template.as_ref().ok_or_else(|| {
            ApiError::invalid(
                "this model has no chat template (chat_template.jinja, or `chat_template` in \
                 tokenizer_config.json); use /v1/completions",
            )
        })?;
        let tools = self.tools.as_ref();
        let text = match self.ending {
            Ending::Continued => template.render_continuing(&self.messages, tools, &self.kwargs),
            ending => {
                let open = ending == Ending::AssistantTurn;
                template.render(&self.messages, tools, open, &self.kwargs)
            }
        };
        text.map_err(|error| ApiError::field("messages", error.to_string()))
    }
}

fn ending(fields: &mut Fields) -> Result<Ending, ApiError> {
    let open = fields.boolean("add_generation_prompt")?;
    let continued = fields.boolean("continue_final_message")?.unwrap_or(false);
    match (open, continued) {
        (Some(true), true) => Err(ApiError::field(
            "continue_final_message",
            "`continue_final_message` and `add_generation_prompt` cannot both be true",
        )),
        (_, true) => Ok(Ending::Continued),
        (Some(false), false) => Ok(Ending::Closed),
        (_, false) => Ok(Ending::AssistantTurn),
    }
}

/// `tools`, unless `tool_choice` is "none". A choice that forces a call would need constrained
/// decoding and is refused.
fn tools(fields: &mut Fields) -> Result<Option<Value>, ApiError> {
    let choice = fields.take("tool_choice");
    let tools = match fields.take("tools") {
        None => None,
        Some(Value::Array(list)) if list.is_empty() => None,
        Some(Value::Array(list)) => {
            list.iter().enumerate().try_for_each(|(index, value)| tool(index, value))?;
            Some(Value::Array(list))
        }
        Some(other) => return Err(fields.wrong("tools", "a list of tools", &other)),
    };
    match choice.as_ref().map(|choice| choice.as_str().unwrap_or("")) {
        None | Some("auto") => Ok(tools),
        Some("none") => Ok(None),
        Some(_) => Err(ApiError::unsupported(
            "tool_choice",
            "`tool_choice` is only supported as \"auto\" or \"none\": a call cannot be forced",
        )),
    }
}

/// A tool is a function with a name; what else it says is for the template.
fn tool(index: usize, tool: &Value) -> Result<(), ApiError> {
    let function = tool.get("function").filter(|_| tool["type"] == "function");
    let named = function.and_then(|function| function.get("name")).and_then(Value::as_str);
    if named.is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    let path = format!("tools[{index}]");
    let message = format!(
        "`{path}` must be {{\"type\": \"function\", \"function\": {{\"name\": ...}}}}, found {}",
        brief(&tool.to_string())
    );
    Err(ApiError::field(&path, message))
}

fn message(index: usize, message: Value) -> Result<Value, ApiError> {
    let path = format!("messages[{index}]");
    let Value::Object(mut message) = message else {
        let found = type_name(&message);
        return Err(ApiError::field(&path, format!("`{path}` must be an object, found {found}")));
    };
    let role = match message.get("role").and_then(Value::as_str) {
        Some("developer") => "system",
        Some(role @ ("system" | "user" | "assistant" | "tool")) => role,
        _ => {
            let (path, found) = (format!("{path}.role"), found(message.get("role")));
            let message = format!(
                "`{path}` must be system, developer, user, assistant or tool, found {found}"
            );
            return Err(ApiError::field(&path, message));
        }
    };
    let has = |name: &str| message.get(name).is_some_and(|value| !value.is_null());
    let speaks_otherwise = ["tool_calls", "function_call", "refusal"].into_iter().any(has);
    let may_be_silent = role == "assistant" && speaks_otherwise;
    if !has("content") && !may_be_silent {
        let path = format!("{path}.content");
        return Err(ApiError::field(&path, format!("the field `{path}` is required")));
    }
    let role = Value::from(role);
    message.insert("role".into(), role);
    let content = content(&path, message.remove("content"))?;
    message.insert("content".into(), Value::String(content));
    Ok(Value::Object(message))
}

/// A value as an error names it.
fn found(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => format!("{:?}", brief(text)),
        Some(other) => type_name(other).to_owned(),
    }
}

/// A message's text; absent and null are empty, as they are beside tool calls.
fn content(path: &str, content: Option<Value>) -> Result<String, ApiError> {
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(parts)) => {
            let texts: Result<Vec<String>, ApiError> = parts
                .iter()
                .enumerate()
                .map(|(i, p)| part(&format!("{path}.content[{i}]"), p))
                .collect();
            Ok(texts?.join("\n"))
        }
        Some(other) => {
            let path = format!("{path}.content");
            let found = type_name(&other);
            let message = format!("`{path}` must be a string or a list of parts, found {found}");
            Err(ApiError::field(&path, message))
        }
    }
}

fn part(path: &str, part: &Value) -> Result<String, ApiError> {
    let kind = part.get("type").and_then(Value::as_str);
    let text = match kind {
        Some("text") => part.get("text").and_then(Value::as_str),
        Some("refusal") => part.get("refusal").and_then(Value::as_str),
        _ => None,
    };
    text.map(str::to_owned).ok_or_else(|| {
        let message = format!(
            "`{path}` must be a part of type text with its text; this model reads text only"
        );
        ApiError::field(path, message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Conversation, ApiError> {
        Conversation::read(&mut Fields::new(body).unwrap())
    }

    fn param(body: Value) -> Value {
        read(body).unwrap_err().envelope()["error"]["param"].clone()
    }

    #[test]
    fn parts_are_joined_and_roles_are_those_that_templates_know() {
        let got = read(json!({"messages": [
            {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
            {"role": "tool", "content": "c", "tool_call_id": "1"},
        ]}))
        .unwrap();
        assert_eq!(got.messages[0], json!({"role": "system", "content": "a\nb"}));
        assert_eq!(got.messages[1]["content"], "");
        assert_eq!(got.messages[1]["tool_calls"][0]["function"]["arguments"], json!({"x": 1}));
        assert_eq!(got.ending, Ending::AssistantTurn);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(param(json!({})), "messages");
        assert_eq!(param(json!({"messages": []})), "messages");
        assert_eq!(param(json!({"messages": ["hi"]})), "messages[0]");
        assert_eq!(
            param(json!({"messages": [{"role": "usr", "content": ""}]})),
            "messages[0].role"
        );
        assert_eq!(
            param(json!({"messages": [{"role": "user", "content": 3}]})),
            "messages[0].content"
        );
        assert_eq!(
            param(json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})),
            "messages[0].content[0]"
        );
        let hi = json!([{"role": "user", "content": "hi"}]);
        assert_eq!(param(json!({"messages": hi, "tool_choice": "required"})), "tool_choice");
        assert_eq!(param(json!({"messages": hi, "tools": {}})), "tools");
        let named = json!({"type": "function", "function": {"name": "f"}});
        for tool in [json!(1), json!({"type": "function"}), json!({"function": {"name": "f"}})] {
            assert_eq!(param(json!({"messages": hi, "tools": [named, tool]})), "tools[1]");
        }
        for silent in [json!({"role": "user"}), json!({"role": "assistant", "content": null})] {
            assert_eq!(param(json!({"messages": [silent]})), "messages[0].content");
        }
        let said = |role: Value| {
            let body = json!({"messages": [{"role": role, "content": ""}]});
            read(body).unwrap_err().to_string()
        };
        assert!(said(json!("usr")).ends_with("found \"usr\""), "{}", said(json!("usr")));
        assert!(said(json!(3)).ends_with("found an integer"));
        assert!(said(json!(null)).ends_with("found null"));
        assert_eq!(
            param(
                json!({"messages": hi, "add_generation_prompt": true, "continue_final_message": true})
            ),
            "continue_final_message"
        );
    }

    #[test]
    fn tools_are_withheld_when_none_may_be_called() {
        let hi = json!([{"role": "user", "content": "hi"}]);
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let with = |choice: Value| {
            read(json!({"messages": hi, "tools": tools, "tool_choice": choice})).unwrap().tools
        };
        assert_eq!(with(json!("auto")), Some(tools.clone()));
        assert_eq!(with(json!(null)), Some(tools.clone()));
        assert_eq!(with(json!("none")), None);
    }
}
