//! What can name an adapter: something that fits in a request, a metric's label and a folder.
//! Whether a name is taken is not decided here.

use super::{AdapterError, Result};

/// Longest name of an adapter, in bytes.
const MAX_NAME: usize = 200;

/// Refuses what cannot name an adapter: no commas (metrics list names between them), slashes, white
/// space at the ends or control characters.
///
/// # Errors
/// [`AdapterError::BadName`].
pub fn check_name(name: &str) -> Result<()> {
    let bad = |c: char| c == ',' || c == '/' || c == '\\' || c.is_control();
    let reason = if name.is_empty() || name.len() > MAX_NAME {
        "it must be 1 to 200 bytes long"
    } else if name == "." || name == ".." || name.trim() != name {
        "it must not be a dot name, nor begin or end with white space"
    } else if name.contains(bad) {
        "it must hold no comma, slash, backslash or control character"
    } else {
        return Ok(());
    };
    Err(AdapterError::BadName { name: name.into(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_label_or_a_path_are_refused() {
        let long = "x".repeat(201);
        for name in ["", "a,b", "a/b", "..", " a", "a\n", "a\\b", &long] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["sft", "my-adapter_v1.2", "naïve", "two words", &long[..200]] {
            check_name(name).unwrap();
        }
    }
}
