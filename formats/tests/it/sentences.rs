//! Asserting on error messages.

use std::fmt::Display;

/// The error's sentence, which must hold every one of `parts`.
#[track_caller]
pub(crate) fn says<T>(result: Result<T, impl Display>, parts: &[&str]) {
    let Err(error) = result else { panic!("expected an error that says {parts:?}") };
    let sentence = error.to_string();
    for part in parts {
        assert!(sentence.contains(part), "expected {part:?} in: {sentence}");
    }
    assert!(!sentence.contains('\n'), "expected one line: {sentence}");
}
