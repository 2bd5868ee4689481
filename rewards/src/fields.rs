//! A problem's truth out of a row of its data: fields by name, each refusal naming the field, what
//! was expected and what was found.

use serde_json::Value;

use crate::Failure;

/// Longest value that a refusal quotes, in characters.
const QUOTED: usize = 60;

/// The field `name`; a dotted name goes into objects (`answer.value`), and a number into a list.
pub(crate) fn field<'r>(row: &'r Value, name: &str) -> Result<&'r Value, Failure> {
    let direct = row.get(name);
    let found = direct.or_else(|| {
        name.split('.').try_fold(row, |value, part| match value {
            Value::Array(list) => list.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        })
    });
    found.ok_or_else(|| {
        let fields = row.as_object().map_or_else(String::new, |map| {
            map.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
        });
        Failure::Problem(format!("the row has no field `{name}`; it has: {fields}"))
    })
}

/// A refusal of what stands in a field.
pub(crate) fn refuse(name: &str, expected: &str, found: &Value) -> Failure {
    let text = found.to_string();
    let shown: String = text.chars().take(QUOTED).collect();
    let more = if shown.len() < text.len() { "..." } else { "" };
    Failure::Problem(format!("the field `{name}` should be {expected}, found {shown}{more}"))
}

/// A text, or a number or truth value as JSON writes it.
pub(crate) fn text(row: &Value, name: &str) -> Result<String, Failure> {
    let value = field(row, name)?;
    scalar(value).ok_or_else(|| refuse(name, "a text or a number", value))
}

/// One text, or a list of texts of which any will do.
pub(crate) fn texts(row: &Value, name: &str) -> Result<Vec<String>, Failure> {
    let value = field(row, name)?;
    let texts = match value {
        Value::Array(list) => list.iter().map(scalar).collect::<Option<Vec<_>>>(),
        one => scalar(one).map(|text| vec![text]),
    };
    match texts {
        Some(texts) if !texts.is_empty() => Ok(texts),
        _ => Err(refuse(name, "a text, a number or a list of them", value)),
    }
}

/// The elements of a list; also of one that a cell of CSV holds as text (`[1, 2]`).
pub(crate) fn list(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(list) => Some(list.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// A whole number; also one that a cell of CSV holds as text.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_by_name_and_by_way() {
        let row = json!({"a": {"b": [1, "x"]}, "c.d": true, "n": null});
        assert_eq!(text(&row, "a.b.1").unwrap(), "x");
        assert_eq!(text(&row, "c.d").unwrap(), "true");
        assert_eq!(texts(&row, "a.b").unwrap(), ["1", "x"]);
        assert_eq!(texts(&row, "a.b.0").unwrap(), ["1"]);
    }

    #[test]
    fn cells_of_text_are_read_as_what_they_hold() {
        assert_eq!(list(&json!("[1, \"x\"]")), Some(vec![json!(1), json!("x")]));
        assert_eq!(list(&json!([1])), Some(vec![json!(1)]));
        assert_eq!((list(&json!("1, 2")), list(&json!(1))), (None, None));
        assert_eq!((whole(&json!(" 24")), whole(&json!(-3))), (Some(24), Some(-3)));
        assert_eq!(
            (whole(&json!("2.5")), whole(&json!(2.5)), whole(&json!(null))),
            (None, None, None)
        );
    }

    #[test]
    fn what_is_missing_or_of_another_kind_is_named() {
        let row = json!({"a": {"b": 1}, "n": null, "none": []});
        let says = |name: &str| texts(&row, name).unwrap_err().to_string();
        assert_eq!(says("z"), "the row has no field `z`; it has: a, n, none");
        assert_eq!(says("a.z"), "the row has no field `a.z`; it has: a, n, none");
        assert_eq!(
            says("n"),
            "the field `n` should be a text, a number or a list of them, found null"
        );
        assert!(says("none").ends_with("found []"));
        assert!(says("a").ends_with(r#"found {"b":1}"#));
    }
}
