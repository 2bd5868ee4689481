//! Reading the fields of one JSON object with sentences for every wrong type or range. `null` counts
//! as absent, as in transformers and PEFT. It knows no format in particular.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{Error, Result};

/// Reads a whole JSON file whose top level must be an object.
pub(crate) fn parse_object(json: &str, path: &Path) -> Result<Map<String, Value>> {
    let value: Value = serde_json::from_str(json)
        .map_err(|reason| Error::Json { path: path.to_owned(), reason })?;
    match value {
        Value::Object(map) => Ok(map),
        other => Err(Error::malformed(
            path,
            format!("expected a JSON object {{...}} at the top level, found {}", brief(&other)),
        )),
    }
}

/// One JSON object of a file, with the file's name for messages.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: &'a Path,
    /// What precedes the key in messages: `""` or `"rope_scaling."`.
    prefix: &'a str,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(map: &'a Map<String, Value>, path: &'a Path) -> Self {
        Self { map, path, prefix: "" }
    }

    /// The same file, one object deeper.
    pub(crate) fn inside(self, map: &'a Map<String, Value>, prefix: &'a str) -> Self {
        Self { map, prefix, ..self }
    }

    pub(crate) fn path(&self) -> &'a Path {
        self.path
    }

    /// Whether the key stands in the file, be it `null`.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// The raw value; `None` if absent or `null`.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub(crate) fn str(&self, key: &str) -> Result<Option<&'a str>> {
        self.typed(key, "a string", Value::as_str)
    }

    pub(crate) fn object(&self, key: &str) -> Result<Option<&'a Map<String, Value>>> {
        self.typed(key, "an object", Value::as_object)
    }

    pub(crate) fn finite(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", |value| value.as_f64().filter(|x| x.is_finite()))
    }

    /// A finite number above zero.
    pub(crate) fn positive(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number above 0", |value| {
            value.as_f64().filter(|x| x.is_finite() && *x > 0.0)
        })
    }

    /// A whole number from `min` to `max`; 32.0 counts as 32, as in Python.
    pub(crate) fn count(&self, key: &str, min: usize, max: usize) -> Result<Option<usize>> {
        let expected = format!("a whole number from {min} to {max}");
        self.typed(key, &expected, |value| whole(value).filter(|n| (min..=max).contains(n)))
    }

    /// Like [`Self::count`], for a key that must be there.
    pub(crate) fn required_count(&self, key: &str, max: usize) -> Result<usize> {
        self.count(key, 1, max)?.ok_or_else(|| {
            self.problem(key, &format!("is missing; expected a whole number from 1 to {max}"))
        })
    }

    /// One token id; `-1`, which old Llama files use for "none", counts as absent.
    pub(crate) fn token_id(&self, key: &str) -> Result<Option<u32>> {
        if self.value(key).and_then(Value::as_i64) == Some(-1) {
            return Ok(None);
        }
        self.typed(key, "a token id (a whole number from 0)", token_id)
    }

    /// Token ids written as one number or as a list.
    pub(crate) fn token_ids(&self, key: &str) -> Result<Vec<u32>> {
        match self.value(key) {
            Some(Value::Array(_)) => {
                let ids = self.typed(key, "a list of token ids", |value| {
                    value.as_array()?.iter().map(token_id).collect::<Option<Vec<_>>>()
                })?;
                Ok(ids.unwrap_or_default())
            }
            _ => Ok(self.token_id(key)?.into_iter().collect()),
        }
    }

    /// A list of strings, or one string alone.
    pub(crate) fn strings(&self, key: &str) -> Result<Option<Vec<String>>> {
        self.typed(key, "a list of strings", |value| match value {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(many) => many.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
            _ => None,
        })
    }

    /// Absent stays absent; anything `read` cannot take is an error that says what was expected.
    pub(crate) fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(self.problem(key, &format!("must be {expected}, found {}", brief(value)))),
        }
    }

    /// An error about one key of this object.
    pub(crate) fn problem(&self, key: &str, problem: &str) -> Error {
        Error::malformed(self.path, format!("`{}{key}` {problem}", self.prefix))
    }
}

/// A value as it looks in the file, cut to a length that fits a sentence.
pub(crate) fn brief(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

/// Whether PEFT and transformers would take the value for "not set".
pub(crate) fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// A whole number that fits `usize`, also when written as `32.0`.
pub(crate) fn whole(value: &Value) -> Option<usize> {
    /// Above this, f64 no longer tells neighbouring whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(n) = value.as_u64() {
        return usize::try_from(n).ok();
    }
    let x = value.as_f64()?;
    // In range and whole, so the conversion is exact.
    ((0.0..EXACT).contains(&x) && x.fract() == 0.0).then_some(x as usize)
}

fn token_id(value: &Value) -> Option<u32> {
    whole(value).and_then(|id| u32::try_from(id).ok())
}
