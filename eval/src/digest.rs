//! SHA-256 in hex, of texts and of JSON values whatever the order of their keys.

use std::fmt::Write;

pub(crate) use formats::digest::sha256;
use serde_json::Value;

/// SHA-256 of a value's canonical JSON: keys sorted, no blanks.
pub(crate) fn sha256_of(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    sha256(text)
}

fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            text.push('{');
            for (place, key) in keys.into_iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                // Writing to a string cannot fail.
                let _ = write!(text, "{comma}{}:", Value::from(key.as_str()));
                canonical(&map[key], text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                canonical(item, text);
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one = json!({"a": [1, {"x": null, "b": "ü"}], "b": 0.5});
        let other = json!({"b": 0.5, "a": [1, {"b": "ü", "x": null}]});
        assert_eq!(sha256_of(&one), sha256_of(&other));
        assert_ne!(sha256_of(&one), sha256_of(&json!({"a": [1, {"x": null, "b": "u"}], "b": 0.5})));
    }
}
