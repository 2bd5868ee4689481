//! What two runs differ in, each difference by its place in `run.json` and in words.

use std::fmt;

use serde_json::Value;

use crate::Run;

/// What parts of one evaluation may differ in, and folders that are gone on with.
const MAY_DIFFER: [&str; 6] = ["started", "shard", "server", "version", "protections", "not_sent"];
/// Differences that a refusal lists.
const MAX_LISTED: usize = 4;

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// Where in `run.json`: `sampling.temperature`.
    pub(crate) place: String,
    one: Value,
    other: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was {}, now {}", self.place, self.one, self.other)
    }
}

/// What two runs differ in, so that they are not parts of one evaluation.
pub(crate) fn differences(one: &Run, other: &Run) -> Vec<Difference> {
    let (one, other) = (serde_json::to_value(one), serde_json::to_value(other));
    let mut found = Vec::new();
    if let (Ok(Value::Object(mut one)), Ok(Value::Object(mut other))) = (one, other) {
        for name in MAY_DIFFER {
            one.remove(name);
            other.remove(name);
        }
        for side in [&mut one, &mut other] {
            side.get_mut("judge")
                .and_then(Value::as_object_mut)
                .map(|judge| judge.remove("server"));
        }
        compare("", &Value::Object(one), &Value::Object(other), &mut found);
    }
    found
}

/// The first few of some sentences.
pub(crate) fn shortened<T: fmt::Display>(sentences: &[T]) -> String {
    let more = sentences.len().saturating_sub(MAX_LISTED);
    let listed = sentences[..sentences.len() - more].iter().map(T::to_string);
    let mut text = listed.collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn compare(place: &str, one: &Value, other: &Value, found: &mut Vec<Difference>) {
    let below = |name: &str| {
        if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
    };
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            for name in names {
                let (one, other) = (one.get(name), other.get(name));
                let null = &Value::Null;
                compare(&below(name), one.unwrap_or(null), other.unwrap_or(null), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&below(&at.to_string()), one, other, found);
            }
        }
        (one, other) if one == other => {}
        (one, other) => found.push(Difference {
            place: place.to_owned(),
            one: one.clone(),
            other: other.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_by_their_place() {
        let mut found = Vec::new();
        let one = json!({"a": {"b": 1, "c": [1, 2]}, "d": "x", "gone": 1});
        let other = json!({"a": {"b": 2, "c": [1, 3]}, "d": "x", "new": [1]});
        compare("", &one, &other, &mut found);
        let expected = [
            "a.b was 1, now 2",
            "a.c.1 was 2, now 3",
            "gone was 1, now null",
            "new was null, now [1]",
        ];
        assert_eq!(found.iter().map(Difference::to_string).collect::<Vec<_>>(), expected);
        assert_eq!(shortened(&found), expected.join(", "));
        found.push(found[0].clone());
        assert!(shortened(&found).ends_with("now [1] and 1 more"));
    }
}
