//! A problem as it is put to an arm: the suite's prompt with the problem's fields filled in.

use std::collections::BTreeMap;

use formats::python;
use serde_json::{Map, Value, json};

use crate::{Message, Part, Prompt};

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Question {
    /// A conversation to go on with.
    Chat {
        /// The messages, in OpenAI's shape.
        messages: Value,
        /// Fields for the server's chat template.
        template: Map<String, Value>,
        /// Texts that end an answer.
        stop: Vec<String>,
    },
    /// A text to go on from.
    Text {
        /// The text.
        text: String,
        /// Texts that end an answer.
        stop: Vec<String>,
    },
}

impl Question {
    /// Fills `prompt` in with a problem's fields.
    ///
    /// # Errors
    /// A sentence on the field that is missing.
    pub(crate) fn of(prompt: &Prompt, fields: &Map<String, Value>) -> Result<Self, String> {
        let parts = parts(prompt, fields)?;
        let stop = prompt.stop.clone();
        if let Some(text) = &prompt.text {
            return Ok(Self::Text { text: fill(text, fields, &parts)?, stop });
        }
        let messages = match (&prompt.messages, &prompt.messages_from) {
            (Some(messages), _) => written(messages, fields, &parts)?,
            (None, Some(field)) => given(field, fields)?,
            (None, None) => return Err("the prompt is empty".to_owned()),
        };
        Ok(Self::Chat { messages, template: prompt.template.clone(), stop })
    }

    /// As a report shows it and a key counts it: the messages, or the text.
    pub(crate) fn shown(&self) -> Value {
        match self {
            Self::Chat { messages, .. } => messages.clone(),
            Self::Text { text, .. } => text.as_str().into(),
        }
    }

    /// Everything that decides the answer.
    pub(crate) fn identity(&self) -> Value {
        match self {
            Self::Chat { messages, template, stop } => {
                json!({"messages": messages, "template": template, "stop": stop})
            }
            Self::Text { text, stop } => json!({"text": text, "stop": stop}),
        }
    }

    /// The text that the model went on from, where it is known.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Chat { .. } => None,
            Self::Text { text, .. } => Some(text),
        }
    }
}

type Parts = BTreeMap<String, String>;

fn parts(prompt: &Prompt, fields: &Map<String, Value>) -> Result<Parts, String> {
    let filled = prompt.parts.iter().map(|(name, part)| {
        let text = match &part.lines_of {
            Some(field) => lines(field, fields)?,
            None if is_there(part, fields) => fill(&part.then, fields, &Parts::new())?,
            None => fill(&part.otherwise, fields, &Parts::new())?,
        };
        Ok((name.clone(), text))
    });
    filled.collect()
}

fn is_there(part: &Part, fields: &Map<String, Value>) -> bool {
    match part.field.as_ref().and_then(|field| fields.get(field)) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    }
}

/// The items of a list, one a line.
fn lines(field: &str, fields: &Map<String, Value>) -> Result<String, String> {
    match fields.get(field) {
        Some(Value::Array(list)) => Ok(list.iter().map(shown).collect::<Vec<_>>().join("\n")),
        Some(other) => Err(format!("the field `{field}` should be a list, found {other}")),
        None => Err(format!("the prompt names the list `{field}`, which the problem lacks")),
    }
}

fn written(
    messages: &[Message],
    fields: &Map<String, Value>,
    parts: &Parts,
) -> Result<Value, String> {
    let turn = |message: &Message| {
        Ok(json!({"role": message.role, "content": fill(&message.content, fields, parts)?}))
    };
    messages.iter().map(turn).collect::<Result<Vec<_>, String>>().map(Value::Array)
}

/// The conversation in a field, up to the turn that is to be answered.
fn given(field: &str, fields: &Map<String, Value>) -> Result<Value, String> {
    let list = match fields.get(field) {
        Some(Value::Array(list)) => list,
        Some(Value::String(text)) => return Ok(json!([{"role": "user", "content": text}])),
        _ => return Err(format!("the field `{field}` should be a list of messages")),
    };
    let is_turn = |turn: &Value| turn["role"].is_string() && turn["content"].is_string();
    if !list.iter().all(is_turn) {
        return Err(format!("the field `{field}` holds what is no message with role and content"));
    }
    let answered = list.last().is_some_and(|turn| turn["role"] == "assistant");
    let asked = &list[..list.len() - usize::from(answered)];
    if asked.is_empty() {
        return Err(format!("the field `{field}` holds no question"));
    }
    let turns = asked.iter().map(|turn| json!({"role": turn["role"], "content": turn["content"]}));
    Ok(turns.collect())
}

/// Puts fields and parts in the place of their names in braces.
fn fill(template: &str, fields: &Map<String, Value>, parts: &Parts) -> Result<String, String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix(brace) {
            text.push_str(brace);
            rest = after;
            continue;
        }
        let end = if brace == "{" { after.find('}') } else { None };
        let end = end.ok_or("a brace of the prompt stands alone; write {{ or }} for a brace")?;
        let name = &after[..end];
        match (parts.get(name), fields.get(name)) {
            (Some(part), _) => text.push_str(part),
            (None, Some(value)) => text.push_str(&shown(value)),
            (None, None) => {
                let known: Vec<&str> = fields.keys().map(String::as_str).collect();
                return Err(format!(
                    "the prompt names `{{{name}}}`, which the problem lacks; it has {}",
                    known.join(", ")
                ));
            }
        }
        rest = &after[end + 1..];
    }
    text.push_str(rest);
    Ok(text)
}

/// A value as a prompt shows it: a text as it is, anything else as Python prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python::repr(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Map<String, Value> {
        let value = json!({"nums": [1, 2, 3], "target": 6, "q": "a {b}", "none": "", "code": "def",
            "list": ["it's", "\"", null, true, {"k": 1.5}], "large": 1e16, "zero": ["\u{0}"]});
        value.as_object().unwrap().clone()
    }

    fn filled(text: &str) -> Result<String, String> {
        fill(text, &fields(), &Parts::new())
    }

    #[test]
    fn fields_are_filled_in_as_python_prints_them() {
        assert_eq!(filled("{nums} = {target}").unwrap(), "[1, 2, 3] = 6");
        assert_eq!(filled("{{x}} {q}").unwrap(), "{x} a {b}", "a value's braces are its own");
        // print(["it's", '"', None, True, {"k": 1.5}])
        assert_eq!(filled("{list}").unwrap(), r#"["it's", '"', None, True, {'k': 1.5}]"#);
        assert_eq!(filled("{large} {zero}").unwrap(), "1e+16 ['\\x00']");
    }

    #[test]
    fn mistakes_in_prompts_are_named() {
        assert!(filled("{what}").unwrap_err().contains("names `{what}`"));
        for alone in ["{nums", "nums}", "{", "} {nums}"] {
            assert!(filled(alone).unwrap_err().contains("stands alone"), "{alone}");
        }
    }

    #[test]
    fn a_part_depends_on_a_field() {
        let part = |field: &str| Part {
            field: Some(field.into()),
            then: "with {code}".into(),
            otherwise: "without".into(),
            ..Part::default()
        };
        for (field, text) in [("code", "with def."), ("none", "without."), ("zzz", "without.")] {
            let parts = [("format".to_owned(), part(field))].into();
            let prompt = Prompt { text: Some("{format}.".into()), parts, ..Prompt::default() };
            assert_eq!(Question::of(&prompt, &fields()).unwrap().text(), Some(text));
        }
    }

    #[test]
    fn a_list_is_as_many_lines_as_it_has_items() {
        let part = Part { lines_of: Some("tests".into()), ..Part::default() };
        let prompt = Prompt {
            text: Some("Pass:\n{tests}\n.".into()),
            parts: [("tests".to_owned(), part)].into(),
            ..Prompt::default()
        };
        let ask = |tests: Value| {
            let fields = json!({ "tests": tests });
            let question = Question::of(&prompt, fields.as_object().unwrap());
            question.map(|question| question.text().unwrap().to_owned())
        };
        assert_eq!(ask(json!(["a", "b"])).unwrap(), "Pass:\na\nb\n.");
        assert_eq!(ask(json!(["{a}", "b", 3, "c"])).unwrap(), "Pass:\n{a}\nb\n3\nc\n.");
        assert_eq!(ask(json!("a")).unwrap_err(), "the field `tests` should be a list, found \"a\"");
    }

    #[test]
    fn a_given_conversation_loses_its_answer() {
        let prompt = Prompt { messages_from: Some("m".into()), ..Prompt::default() };
        let ask = |m: Value| {
            let fields = json!({ "m": m });
            Question::of(&prompt, fields.as_object().unwrap()).map(|question| question.shown())
        };
        let user = json!({"role": "user", "content": "hi"});
        let assistant = json!({"role": "assistant", "content": "ho"});
        assert_eq!(ask(json!([user, assistant])).unwrap(), json!([user]));
        assert_eq!(ask(json!("hi")).unwrap(), json!([user]));
        for bad in [json!([]), json!([assistant]), json!(3), json!([{"role": "user"}])] {
            assert!(ask(bad.clone()).is_err(), "{bad}");
        }
    }
}
