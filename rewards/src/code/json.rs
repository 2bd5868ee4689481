//! JSON values as Python's `json` writes and reads them (whole numbers of any size, `NaN`,
//! `Infinity`), and whether a method's value is the expected one.
//!
//! The rule of [`same`]: lists element by element, objects key by key, strings and `null` exactly;
//! numbers by value, `true` being 1 and `false` 0 as in Python; where the expected number is
//! written with a point or an exponent, an absolute or relative error of [`TOLERANCE`] is allowed;
//! `NaN` agrees with `NaN` alone. Tuples are lists already where the child encodes them.

use std::collections::BTreeMap;

use super::tokens::close;

/// Largest absolute or relative error of a number that is expected with a point or an exponent:
/// what LeetCode's statements allow.
pub const TOLERANCE: f64 = 1e-5;

/// Deepest nesting that is read.
const DEPTH: usize = 400;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number without point or exponent: sign and digits without leading zeros.
    Whole(String),
    /// A number with a point or an exponent, `NaN`, `Infinity` or `-Infinity`.
    Real(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object; of equal keys the last counts.
    Object(BTreeMap<String, Json>),
}

/// Whether `value` is what was `expected`, by the rule of this module.
pub fn same(value: &Json, expected: &Json) -> bool {
    match (value, expected) {
        (Json::List(a), Json::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && b.iter().all(|(k, b)| a.get(k).is_some_and(|a| same(a, b)))
        }
        (Json::Text(a), Json::Text(b)) => a == b,
        (Json::Null, Json::Null) => true,
        (a, Json::Real(b)) => a.number().is_some_and(|a| {
            a == *b || (a.is_nan() && b.is_nan()) || (b.is_finite() && close(a, *b, TOLERANCE))
        }),
        (a, b) => match (a.whole(), b.whole()) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
    }
}

impl Json {
    /// Reads one value with nothing after it.
    pub fn parse(text: &str) -> Result<Self, String> {
        Reader::new(text, usize::MAX).only_value()
    }

    /// Reads one value from a source that nobody vouches for: `None` where it consists of more than
    /// `most` values, each of which takes many times the two bytes that it may be written in.
    pub fn parse_within(text: &str, most: usize) -> Result<Option<Self>, String> {
        let mut reader = Reader::new(text, most);
        match reader.only_value() {
            Err(_) if reader.is_over => Ok(None),
            read => read.map(Some),
        }
    }

    /// How many values this consists of, itself included.
    pub fn count(&self) -> usize {
        1 + match self {
            Self::List(items) => items.iter().map(Self::count).sum(),
            Self::Object(fields) => fields.values().map(Self::count).sum(),
            _ => 0,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Whole(digits) => digits.parse().ok(),
            Self::Real(value) => Some(*value),
            _ => None,
        }
    }

    /// The whole number this is equal to, in digits. A real number is whole only below 2^53, where
    /// its digits are certain.
    fn whole(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(u8::from(*value).to_string()),
            Self::Whole(digits) => Some(digits.clone()),
            Self::Real(value) if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => {
                Some(format!("{}", value + 0.0))
            }
            _ => None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Values that may still be read.
    left: usize,
    /// Whether there were more.
    is_over: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, left: usize) -> Self {
        Self { text, at: 0, left, is_over: false }
    }

    fn only_value(&mut self) -> Result<Json, String> {
        let value = self.value(0)?;
        self.space();
        if self.at < self.text.len() {
            return Err(self.error("something after the value"));
        }
        Ok(value)
    }

    fn error(&self, what: &str) -> String {
        format!("not JSON: {what} at byte {}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > DEPTH {
            return Err(self.error("deeper nesting than is read"));
        }
        if self.left == 0 {
            self.is_over = true;
            return Err(self.error("more values than are read"));
        }
        self.left -= 1;
        self.space();
        match self.peek() {
            Some(b'[') => self.list(depth),
            Some(b'{') => self.object(depth),
            Some(b'"') => self.string().map(Json::Text),
            _ => self.word().map_or_else(|| self.number(), Ok),
        }
    }

    fn word(&mut self) -> Option<Json> {
        let words = [
            ("null", Json::Null),
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
            ("NaN", Json::Real(f64::NAN)),
            ("Infinity", Json::Real(f64::INFINITY)),
            ("-Infinity", Json::Real(f64::NEG_INFINITY)),
        ];
        words.into_iter().find(|(word, _)| self.eat(word)).map(|(_, value)| value)
    }

    fn number(&mut self) -> Result<Json, String> {
        let rest = &self.text[self.at..];
        let inside = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        let token = &rest[..rest.find(|c| !inside(c)).unwrap_or(rest.len())];
        let digits = token.strip_prefix('-').unwrap_or(token);
        let zeros = digits.len() > 1 && digits.starts_with("0") && !digits.starts_with("0.");
        let exponent_of_zero = digits.starts_with("0e") || digits.starts_with("0E");
        if !digits.starts_with(|c: char| c.is_ascii_digit()) || (zeros && !exponent_of_zero) {
            return Err(self.error("no value"));
        }
        let value = if digits.bytes().all(|b| b.is_ascii_digit()) {
            Json::Whole(if digits == "0" { "0".into() } else { token.to_owned() })
        } else {
            Json::Real(token.parse().map_err(|_| self.error("no number"))?)
        };
        self.at += token.len();
        Ok(value)
    }

    /// A string: its end is found here, its escapes are read by `serde_json`. Python writes lone
    /// surrogates, which no Rust string holds: they are refused.
    fn string(&mut self) -> Result<String, String> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start + 1;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        let literal = self.text.get(start..=end).ok_or_else(|| self.error("an open string"))?;
        let text = serde_json::from_str(literal).map_err(|_| self.error("a malformed string"))?;
        self.at = end + 1;
        Ok(text)
    }

    fn list(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.eat("]") {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.eat("]") {
                return Ok(Json::List(items));
            }
            if !self.eat(",") {
                return Err(self.error("neither `,` nor `]`"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut fields = BTreeMap::new();
        self.space();
        if self.eat("}") {
            return Ok(Json::Object(fields));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error("no key"));
            }
            let key = self.string()?;
            self.space();
            if !self.eat(":") {
                return Err(self.error("no `:` after a key"));
            }
            fields.insert(key, self.value(depth + 1)?);
            self.space();
            if self.eat("}") {
                return Ok(Json::Object(fields));
            }
            if !self.eat(",") {
                return Err(self.error("neither `,` nor `}`"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(value: &str, expected: &str) -> bool {
        same(&Json::parse(value).unwrap(), &Json::parse(expected).unwrap())
    }

    #[test]
    fn values_by_value() {
        for (value, expected) in [
            ("[1, [2, 3]]", "[1,[2,3]]"),
            ("1", "1.0"),
            ("1.0", "1"),
            ("true", "1"),
            ("0", "false"),
            ("-0.0", "0"),
            ("-0", "0"),
            ("1e2", "100"),
            ("0.30000000000000004", "0.3"),
            ("2.000019", "2.0"),
            ("NaN", "NaN"),
            ("Infinity", "Infinity"),
            (r#"{"a": 1, "b": [null]}"#, r#"{"b": [null], "a": 1}"#),
            (r#""\u00e9\ud83d\ude00""#, "\"é😀\""),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert!(agree(value, expected), "{value} {expected}");
        }
    }

    #[test]
    fn different_values_differ() {
        for (value, expected) in [
            ("[1, 2]", "[2, 1]"),
            ("[1]", "[1, 2]"),
            ("\"1\"", "1"),
            ("null", "0"),
            ("null", "false"),
            ("[]", "null"),
            ("1.5", "1"),
            ("1.000001", "1"),
            ("2.0001", "2.0"),
            ("NaN", "1.0"),
            ("1.0", "NaN"),
            ("Infinity", "1e300"),
            ("123456789012345678901234567891", "123456789012345678901234567890"),
            ("9007199254740993", "9007199254740992"),
            (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#),
            ("\"a\"", "\"A\""),
        ] {
            assert!(!agree(value, expected), "{value} {expected}");
        }
    }

    #[test]
    fn values_are_counted_before_they_are_kept() {
        let text = r#"[1, [2, 3], {"a": 4, "b": []}]"#;
        let value = Json::parse(text).unwrap();
        assert_eq!(value.count(), 8);
        assert_eq!(Json::parse_within(text, 8), Ok(Some(value)));
        assert_eq!(Json::parse_within(text, 7), Ok(None));
        assert_eq!(Json::parse_within(&format!("[{}", "0,".repeat(1 << 20)), 8), Ok(None));
        assert!(Json::parse_within("[1, 2", 8).is_err());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "[",
            "[1,]",
            "[1 2]",
            "{",
            "{1: 2}",
            "{\"a\" 1}",
            "\"a",
            "\"\\",
            "01",
            "-",
            "+1",
            "1.2.3",
            "nul",
            "1 2",
            "'a'",
            "\"\\ud800\"",
            ".5",
            &deep,
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
