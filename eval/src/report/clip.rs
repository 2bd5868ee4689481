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

/// A prompt as a list of roles and texts; a plain text has no role. Of a long conversation the first and
/// the last messages, and how many are left out between them.
pub(crate) fn prompt(prompt: &Value) -> Vec<(String, Clipped)> {
    let Value::Array(messages) = prompt else {
        return vec![(String::new(), said(prompt))];
    };
    if messages.len() <= ITEMS {
        return messages.iter().map(message).collect();
    }
    let (head, tail) = (ITEMS / 2, messages.len() - ITEMS / 2);
    let gap = format!("… {} messages left out …", tail - head);
    let mut shown: Vec<(String, Clipped)> = messages[..head].iter().map(message).collect();
    shown.push((String::new(), Clipped::Whole(gap)));
    shown.extend(messages[tail..].iter().map(message));
    shown
}

fn message(message: &Value) -> (String, Clipped) {
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    let content = message.get("content").unwrap_or(message);
    (role.chars().take(INNER).collect(), said(content))
}

fn said(value: &Value) -> Clipped {
    match value {
        Value::String(text) => Clipped::new(text),
        other => Clipped::new(&other.to_string()),
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
            let more = fields.len().saturating_sub(ITEMS);
            let kept = fields.into_iter().take(ITEMS);
            let mut kept: Map<_, _> = kept.map(|(k, v)| (short(k), inner(v, levels - 1))).collect();
            if more > 0 {
                kept.insert("…".to_owned(), Value::String(format!("and {more} more")));
            }
            Value::Object(kept)
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
    fn what_is_left_out_is_told() {
        let turn = |at: usize| serde_json::json!({"role": "user", "content": at.to_string()});
        let shown = prompt(&(0..31).map(turn).collect());
        let texts: Vec<Clipped> = shown.into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts[12], Clipped::Whole("… 7 messages left out …".into()));
        let of = |at: usize| Clipped::Whole(at.to_string());
        assert_eq!((texts[11].clone(), texts[13].clone(), texts.len()), (of(11), of(19), 25));
        assert_eq!(texts[24], of(30), "what was answered is there");
        assert_eq!(prompt(&(0..24).map(turn).collect()).len(), 24);
        let fields: Map<String, Value> = (0..40).map(|at| (at.to_string(), at.into())).collect();
        let shown = clip(Value::Object(fields));
        assert_eq!((shown.as_object().unwrap().len(), &shown["…"]), (25, &"and 16 more".into()));
    }

    #[test]
    fn a_prompt_is_a_text_or_messages() {
        let messages = serde_json::json!([{"role": "user", "content": "hi"}]);
        assert_eq!(prompt(&messages), [("user".into(), Clipped::Whole("hi".into()))]);
        assert_eq!(prompt(&"hi".into()), [(String::new(), Clipped::Whole("hi".into()))]);
    }
}
