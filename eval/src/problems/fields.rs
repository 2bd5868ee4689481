//! What a suite finds in a record: fields under other names, inside others and inside texts, groups,
//! names.

use serde_json::{Map, Value};

use crate::suite::Listed;
use crate::{Data, Group};

/// Puts fields under the names that the suite gives them.
pub(super) fn rename(data: &Data, fields: &mut Map<String, Value>) {
    for (name, place) in &data.fields {
        let found = place.split('.').enumerate().try_fold(Value::Null, |value, (depth, part)| {
            let next = if depth == 0 { fields.get(part).cloned() } else { inside(&value, part) };
            next.filter(|next| !next.is_null())
        });
        if let Some(value) = found {
            fields.insert(name.clone(), value);
        }
    }
}

/// A part of a value; a text that is JSON is looked into, for data sets hold such texts.
fn inside(value: &Value, part: &str) -> Option<Value> {
    match value {
        Value::Object(map) => map.get(part).cloned(),
        Value::Array(list) => list.get(part.parse::<usize>().ok()?).cloned(),
        Value::String(text) => {
            let parsed: Value = serde_json::from_str(text).ok()?;
            if parsed.is_string() { None } else { inside(&parsed, part) }
        }
        _ => None,
    }
}

pub(super) fn group_of(
    group: &Group,
    fields: &Map<String, Value>,
) -> Result<Option<String>, String> {
    if let Some(field) = &group.field {
        return Ok(name_of(field, fields).ok());
    }
    if let Some(Listed { by, values, otherwise }) = &group.listed {
        let mut names = by.iter().filter_map(|field| name_of(field, fields).ok());
        let found = names.find_map(|name| values.get(&name));
        return Ok(Some(found.unwrap_or(otherwise).clone()));
    }
    let field = group.length_of.as_deref().unwrap_or_default();
    match fields.get(field) {
        Some(Value::Array(list)) => Ok(Some(list.len().to_string())),
        Some(Value::String(text)) => Ok(Some(text.chars().count().to_string())),
        _ => Err(format!("the field `{field}` should be a list or a text, to be counted")),
    }
}

pub(super) fn name_of(field: &str, fields: &Map<String, Value>) -> Result<String, String> {
    match fields.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(truth)) => Ok(truth.to_string()),
        _ => Err(format!("the field `{field}` should be a text or a number")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_inside_others_and_inside_texts_that_are_json() {
        let data = Data {
            fields: [("func", "metadata.func_name"), ("first", "list.0"), ("no", "gone.x")]
                .map(|(name, place)| (name.to_owned(), place.to_owned()))
                .into(),
            ..Data::default()
        };
        let record = json!({"metadata": "{\"func_name\": \"f\"}", "list": [7], "no": 1});
        let mut fields = record.as_object().unwrap().clone();
        rename(&data, &mut fields);
        assert_eq!(
            [&fields["func"], &fields["first"], &fields["no"]],
            ["f", "7", "1"]
                .map(|t| { serde_json::from_str::<Value>(t).unwrap_or_else(|_| Value::from(t)) })
                .each_ref()
        );
    }
    #[test]
    fn listed_problems_are_found_by_any_of_their_names() {
        let listed = Listed {
            by: vec!["id".into(), "title".into()],
            values: [("7".into(), "broken".into()), ("two-sums".into(), "ambiguous".into())].into(),
            otherwise: "none".into(),
        };
        let (name, listed) = ("erratum".to_owned(), Some(listed));
        let group = Group { name, field: None, length_of: None, listed };
        let of = |record: Value| group_of(&group, record.as_object().unwrap()).unwrap().unwrap();
        assert_eq!(of(json!({"id": 7, "title": "other"})), "broken");
        assert_eq!(of(json!({"id": "8", "title": "two-sums"})), "ambiguous");
        assert_eq!([of(json!({"id": "8"})), of(json!({}))], ["none", "none"]);
    }
}
