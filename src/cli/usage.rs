//! Wrong usage: what the argument parser cannot see, and the parsers of single values that several
//! commands share. All of it ends the program with status 2.

/// Flags, or values of them, that cannot be honoured; one sentence that names the flag.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// A whole number of at least 1.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or("expected a whole number from 1".into())
}

/// A softmax temperature within OpenAI's range, as HTTP takes it.
pub(super) fn temperature(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|t| (0.0..=2.0).contains(t));
    number.ok_or("expected a number from 0 to 2".into())
}

/// The name of a model in requests.
pub(super) fn model_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("a name cannot be empty".into()) } else { Ok(text.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused() {
        assert_eq!(at_least_one("64"), Ok(64));
        assert!(["0", "-1", "x", "1.5"].iter().all(|bad| at_least_one(bad).is_err()));
        assert_eq!((temperature("0"), temperature("2")), (Ok(0.0), Ok(2.0)));
        assert!(["3", "-0.1", "nan", "inf"].iter().all(|bad| temperature(bad).is_err()));
        assert_eq!(model_name("a/b"), Ok("a/b".into()));
        assert!(model_name(" ").is_err());
    }
}
