//! Reads a JSON object field by field, so that every mistake names its field.
//!
//! Every reader takes its field out of the object; [`Fields::finish`] refuses what nobody asked for,
//! so no field is silently ignored. `null` means absent, as the official clients send it.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::error::ApiError;

/// A JSON object that is being read.
#[derive(Debug)]
pub(crate) struct Fields {
    map: Map<String, Value>,
    /// What stands before a field's name in an error (`stream_options.`); empty at the top.
    prefix: String,
}

impl Fields {
    /// Opens a request body.
    pub(crate) fn new(body: Value) -> Result<Self, ApiError> {
        match body {
            Value::Object(map) => Ok(Self { map, prefix: String::new() }),
            other => Err(ApiError::invalid(format!(
                "the request body must be a JSON object, found {}",
                type_name(&other)
            ))),
        }
    }

    /// The full name of a field, as an error's `param` says it.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Takes a field as it is; `null` is absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field that must be there.
    pub(crate) fn required(&mut self, name: &str) -> Result<Value, ApiError> {
        let path = self.path(name);
        self.take(name)
            .ok_or_else(|| ApiError::field(&path, format!("the field `{path}` is required")))
    }

    /// Whether the field is there and not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes an object to be read field by field itself.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                Ok(Some(Self { map, prefix: format!("{}.", self.path(name)) }))
            }
            Some(other) => Err(self.wrong(name, "an object", &other)),
        }
    }

    /// Takes a string.
    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", &other)),
        }
    }

    /// Takes a string that must be there.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, ApiError> {
        match self.required(name)? {
            Value::String(text) => Ok(text),
            other => Err(self.wrong(name, "a string", &other)),
        }
    }

    /// Takes a boolean.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong(name, "a boolean", &other)),
        }
    }

    /// Takes a number; its range is the engine's to check.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f32>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) if (number as f32).is_finite() => Ok(Some(number as f32)),
                Some(_) => Err(self.outside(name, &("-3.4e38"..="3.4e38"), &value)),
                None => Err(self.wrong(name, "a number", &value)),
            },
        }
    }

    /// Takes a whole number within a range.
    pub(crate) fn integer(
        &mut self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_i64() {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            None if !value.is_u64() => Err(self.wrong(name, "an integer", &value)),
            // Also one that only an unsigned number holds.
            _ => Err(self.outside(name, &range, &value)),
        }
    }

    /// Takes a count: a whole number of at least `least`.
    pub(crate) fn count(&mut self, name: &str, least: i64) -> Result<Option<usize>, ApiError> {
        let number = self.integer(name, least..=i64::from(u32::MAX))?;
        Ok(number.and_then(|number| usize::try_from(number).ok()))
    }

    /// Takes one string or a list of them.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, ApiError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text),
                    other => Err(self.wrong(name, "a string or a list of strings", &other)),
                })
                .collect(),
            Some(other) => Err(self.wrong(name, "a string or a list of strings", &other)),
        }
    }

    /// Takes fields that change nothing about the answer, whatever they hold.
    pub(crate) fn accept(&mut self, names: &[&str]) {
        for name in names {
            self.map.remove(*name);
        }
    }

    /// Takes a field that is harmless with one of `allowed` values and cannot be honoured otherwise.
    pub(crate) fn only(&mut self, name: &str, allowed: &[Value]) -> Result<(), ApiError> {
        match self.take(name) {
            Some(value) if !allowed.contains(&value) => {
                let path = self.path(name);
                let message = if allowed.is_empty() {
                    format!("`{path}` is not supported")
                } else {
                    let list: Vec<String> = allowed.iter().map(Value::to_string).collect();
                    format!("`{path}` is only supported as {}, found {value}", list.join(" or "))
                };
                Err(ApiError::unsupported(path, message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses whatever was not read.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        match self.map.iter().find(|(_, value)| !value.is_null()) {
            None => Ok(()),
            Some((name, _)) => {
                let path = self.path(name);
                let message = format!("the field `{path}` is not known here; leave it out");
                Err(ApiError::Invalid {
                    message,
                    param: Some(path),
                    code: Some("unknown_parameter"),
                })
            }
        }
    }

    /// The error for a field of the wrong type.
    pub(crate) fn wrong(&self, name: &str, expected: &str, found: &Value) -> ApiError {
        let path = self.path(name);
        let message = format!("`{path}` must be {expected}, found {}", type_name(found));
        ApiError::Invalid { message, param: Some(path), code: Some("invalid_type") }
    }

    fn outside<T: std::fmt::Display>(
        &self,
        name: &str,
        range: &RangeInclusive<T>,
        found: &Value,
    ) -> ApiError {
        let path = self.path(name);
        let (low, high) = (range.start(), range.end());
        ApiError::field(&path, format!("`{path}` must be between {low} and {high}, found {found}"))
    }
}

/// A client's text as an answer repeats it: cut to what fits a sentence.
pub(crate) fn brief(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}

/// What a JSON value is, in words.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(body: Value) -> Fields {
        Fields::new(body).unwrap()
    }

    #[test]
    fn wrong_types_name_the_field_and_what_was_found() {
        let error = fields(json!({"n": "two"})).integer("n", 1..=4).unwrap_err();
        assert_eq!(error.to_string(), "`n` must be an integer, found a string");
        let error = fields(json!({"n": 1.5})).integer("n", 1..=4).unwrap_err();
        assert_eq!(error.to_string(), "`n` must be an integer, found a number");
        let error = fields(json!({"n": 5})).integer("n", 1..=4).unwrap_err();
        assert_eq!(error.to_string(), "`n` must be between 1 and 4, found 5");
        for huge in [json!(9_223_372_036_854_775_808_u64), json!(u64::MAX)] {
            let error = fields(json!({ "n": huge })).integer("n", 1..=4).unwrap_err();
            assert_eq!(error.to_string(), format!("`n` must be between 1 and 4, found {huge}"));
        }
        let error = fields(json!({"t": 1e300})).number("t").unwrap_err().to_string();
        assert!(
            error.starts_with("`t` must be between") && error.contains(", found 1e"),
            "{error}"
        );
        let error = Fields::new(json!([1])).unwrap_err();
        assert_eq!(error.to_string(), "the request body must be a JSON object, found a list");
    }

    #[test]
    fn nested_fields_are_named_by_their_path() {
        let mut top = fields(json!({"stream_options": {"include_usage": 1, "x": 2}}));
        let mut options = top.object("stream_options").unwrap().unwrap();
        let error = options.boolean("include_usage").unwrap_err();
        assert_eq!(error.envelope()["error"]["param"], "stream_options.include_usage");
        let error = options.finish().unwrap_err();
        assert_eq!(error.envelope()["error"]["param"], "stream_options.x");
    }

    #[test]
    fn null_is_absent_and_the_unknown_is_refused() {
        let mut body = fields(json!({"seed": null, "typo": null}));
        assert_eq!(body.integer("seed", 0..=9).unwrap(), None);
        body.finish().unwrap();
        let error = fields(json!({"temprature": 0})).finish().unwrap_err();
        assert_eq!(error.envelope()["error"]["code"], "unknown_parameter");
    }

    #[test]
    fn a_field_with_one_harmless_value_is_refused_with_another() {
        fields(json!({"store": false})).only("store", &[json!(false)]).unwrap();
        let error = fields(json!({"store": true})).only("store", &[json!(false)]).unwrap_err();
        assert_eq!(error.to_string(), "`store` is only supported as false, found true");
    }
}
