//! Texts and values cut to what a reader would look at, with what was left out told.

use serde::Serialize;
use serde_json::{Map, Value};

/// Most characters shown of a text: its beginning and its end.
const TEXT: usize = 6_000;

/// Most characters shown of a text inside a value.
const INNER: usize = 600;

/// Most items shown of a list or an object.
const ITEMS: usize = 24;

/// Most levels shown of a value.
const LEVELS: usize = 5;

/// A text, or its beginning and end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Clipped {
    /// All of it.
    Whole(String),
    /// Its beginning, how many characters are left out, its end.
    Cut(String, usize, String),
}

impl Clipped {
    /// A text cut to [`TEXT`] characters.
    pub(crate) fn new(text: &str) -> Self {
        // A text of so few bytes has no more characters.
        if text.len() <= TEXT {
            return Self::Whole(text.to_owned());
        }
        let characters = text.chars().count();
        if characters <= TEXT {
            return Self::Whole(text.to_owned());
        }
        let (head, tail) = (2 * TEXT / 3, TEXT / 3);
        let place = |nth| text.char_indices().nth(nth).map_or(text.len(), |(at, _)| at);
        let (end, start) = (place(head), place(characters - tail));
        Self::Cut(text[..end].to_owned(), characters - head - tail, text[start..].to_owned())
    }
}

/// A prompt as a list of roles and texts; a plain text has no role.
pub(crate) fn prompt(prompt: &Value) -> Vec<(String, Clipped)> {
    let text = |value: &Value| match value {
        Value::String(text) => Clipped::new(text),
        other => Clipped::new(&other.to_string()),
    };
    match prompt {
        Value::Array(messages) => messages
            .iter()
            .map(|message| {
                let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
                let content = message.get("content").unwrap_or(message);
                (role.chars().take(INNER).collect(), text(content))
            })
            .take(ITEMS)
            .collect(),
        other => vec![(String::new(), text(other))],
    }
}

/// A value with long texts, long lists and deep levels cut.
pub(crate) fn clip(value: Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > INNER => match Clipped::new(&text) {
            // A text that is all there is may be longer than one inside a list.
            Clipped::Whole(text) => Value::String(text),
            Clipped::Cut(head, left_out, tail) => Value::String(joined(&head, left_out, &tail)),
        },
        other => inner(other, LEVELS),
    }
}

fn joined(head: &str, left_out: usize, tail: &str) -> String {
    format!("{head} […{left_out} characters left out…] {tail}")
}

fn inner(value: Value, levels: usize) -> Value {
    match value {
        Value::String(text) => Value::String(short(text)),
        Value::Array(_) | Value::Object(_) if levels == 0 => Value::String("…".to_owned()),
        Value::Array(items) => {
            let more = items.len().saturating_sub(ITEMS);
            let mut kept: Vec<Value> =
                items.into_iter().take(ITEMS).map(|item| inner(item, levels - 1)).collect();
            if more > 0 {
                kept.push(Value::String(format!("…and {more} more")));
            }
            Value::Array(kept)
        }
        Value::Object(fields) => {
            let kept = fields.into_iter().take(ITEMS);
            Value::Object(
                kept.map(|(k, v)| (short(k), inner(v, levels - 1))).collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}

fn short(text: String) -> String {
    if text.len() <= INNER {
        return text;
    }
    let characters = text.chars().count();
    if characters <= INNER {
        return text;
    }
    let (head, tail) = (2 * INNER / 3, INNER / 3);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(characters - tail).collect();
    joined(&start, characters - head - tail, &end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_their_ends() {
        let text = format!("a{}z", "é".repeat(10_000));
        let Clipped::Cut(head, left_out, tail) = Clipped::new(&text) else { panic!("not cut") };
        assert!(head.starts_with('a') && tail.ends_with('z'));
        assert_eq!(head.chars().count() + left_out + tail.chars().count(), 10_002);
        assert_eq!(Clipped::new("short"), Clipped::Whole("short".into()));
    }

    #[test]
    fn values_are_bounded_in_every_direction() {
        let mut deep = Value::Null;
        for _ in 0..50 {
            deep = Value::Array(vec![deep]);
        }
        let wide = Value::Array(vec![Value::String("x".repeat(100_000)); 1000]);
        for value in [deep, wide, Value::String("y".repeat(1_000_000))] {
            assert!(clip(value).to_string().len() < 40_000);
        }
    }

    #[test]
    fn a_prompt_is_a_text_or_messages() {
        let messages = serde_json::json!([{"role": "user", "content": "hi"}]);
        assert_eq!(prompt(&messages), [("user".into(), Clipped::Whole("hi".into()))]);
        assert_eq!(prompt(&"hi".into()), [(String::new(), Clipped::Whole("hi".into()))]);
    }
}
