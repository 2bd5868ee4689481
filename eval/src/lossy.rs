//! JSON strings, whatever they contain: a file may hold the halves of surrogate pairs that some program
//! cut a text between, which are no text of Rust's and no reason to lose a line.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A string as a text: halves of surrogate pairs become U+FFFD.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Text(pub String);

/// The number of characters of a string, counted without keeping it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Characters(pub usize);

/// Equal for equal strings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hashed(pub u64);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        string(deserializer, |bytes| Self(String::from_utf8_lossy(bytes).into_owned()))
    }
}

impl<'de> Deserialize<'de> for Characters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Every byte but UTF-8's continuations begins a character.
        let begins = |byte: &&u8| *byte & 0xc0 != 0x80;
        string(deserializer, |bytes| Self(bytes.iter().filter(begins).count()))
    }
}

impl<'de> Deserialize<'de> for Hashed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        string(deserializer, |bytes| {
            let mut hasher = DefaultHasher::new();
            hasher.write(bytes);
            Self(hasher.finish())
        })
    }
}

/// What `make` makes of a string's bytes: UTF-8, but for halves of surrogate pairs.
fn string<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    make: impl FnOnce(&[u8]) -> T,
) -> Result<T, D::Error> {
    deserializer.deserialize_bytes(Maker(make))
}

struct Maker<F>(F);

impl<T, F: FnOnce(&[u8]) -> T> Visitor<'_> for Maker<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        Ok((self.0)(bytes))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.visit_bytes(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_surrogate_pairs_are_read() {
        let half = r#""xä\ud800😀""#;
        let text: Text = serde_json::from_str(half).unwrap();
        assert!(text.0.starts_with("xä\u{fffd}") && text.0.ends_with('😀'), "{}", text.0);
        assert_eq!(serde_json::from_str::<Characters>(half).unwrap().0, 4);
        let hashed = |text: &str| serde_json::from_str::<Hashed>(text).unwrap();
        assert_eq!(hashed(half), hashed(r#""x\u00e4\ud800\ud83d\ude00""#));
        assert_ne!(hashed(half), hashed(r#""xä\ud801😀""#));
        assert!(serde_json::from_str::<Text>("3").is_err());
    }
}
