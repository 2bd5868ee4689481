//! Reading what the scripts under `tests/golden` recorded.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// A recorded file.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A recorded JSON object.
pub(crate) fn object(name: &str) -> Map<String, Value> {
    let text = fs_err::read_to_string(path(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The strings of a JSON list.
pub(crate) fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}
