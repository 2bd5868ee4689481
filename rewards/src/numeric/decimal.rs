//! Numbers in prose, as exact decimals: sign, digits with thousands separators, fraction, exponent.
//! Reads any text in linear time; numbers of more digits than anyone writes are passed over.

use std::fmt;

/// Most characters of one number; a longer run of digits is no number.
const MAX_LENGTH: usize = 400;

/// A decimal number in one form: no zeros that say nothing, no minus before zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Significant digits without zeros at the ends; empty for zero.
    digits: String,
    /// The power of ten of the last digit.
    exponent: i64,
}

impl Decimal {
    /// The nearest `f64`.
    pub(super) fn value(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    fn new(negative: bool, digits: &str, exponent: i64) -> Self {
        let kept = digits.trim_end_matches('0');
        let exponent = exponent + (digits.len() - kept.len()) as i64;
        let kept = kept.trim_start_matches('0');
        let zero = kept.is_empty();
        Self {
            negative: negative && !zero,
            digits: kept.to_owned(),
            exponent: if zero { 0 } else { exponent },
        }
    }
}

impl fmt::Display for Decimal {
    /// As people write it, or with an exponent where that would be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            write!(f, "-")?;
        }
        let (digits, exponent) = (&self.digits, self.exponent);
        let point = digits.len() as i64 + exponent;
        match digits.len() {
            0 => write!(f, "0"),
            _ if (0..=20).contains(&exponent) => {
                write!(f, "{digits}{}", "0".repeat(exponent.unsigned_abs() as usize))
            }
            length if (1..=length as i64).contains(&point) => {
                let (whole, rest) = digits.split_at(point as usize);
                write!(f, "{whole}.{rest}")
            }
            _ if (-20..=0).contains(&point) => {
                write!(f, "0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
            }
            _ => write!(f, "{digits}e{exponent}"),
        }
    }
}

/// The number with which `text` begins.
pub(crate) fn first(text: &str) -> Option<Decimal> {
    read(text.as_bytes(), 0).map(|(number, _)| number)
}

/// The last number in `text`.
pub(super) fn last(text: &str) -> Option<Decimal> {
    let bytes = text.as_bytes();
    let (mut at, mut last) = (0, None);
    while at < bytes.len() {
        match bytes[at] {
            b'0'..=b'9' | b'.' | b'-' | b'+' if begins(bytes, at) => match read(bytes, at) {
                Some((number, end)) => (last, at) = (Some(number), end),
                None => at += digits(bytes, at).max(1),
            },
            _ => at += 1,
        }
    }
    last
}

/// Whether a number may begin here: a minus that joins or subtracts (`3-2`, `x-1`) is no sign.
fn begins(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map_or(b' ', |before| bytes[before]);
    match bytes[at] {
        b'-' | b'+' => !before.is_ascii_alphanumeric() && before != b')' && before != b'.',
        b'.' => !before.is_ascii_alphanumeric(),
        _ => true,
    }
}

/// How many digits stand at `at`.
fn digits(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The number that begins at `at`, with where it ends; `None` when none does or it is too long.
fn read(bytes: &[u8], at: usize) -> Option<(Decimal, usize)> {
    let mut end = at;
    let sign = bytes.get(at).copied().filter(|byte| b"+-".contains(byte));
    end += usize::from(sign.is_some());
    if bytes.get(end) == Some(&b'$') {
        end += 1;
    }
    let mut number = String::new();
    end = whole(bytes, end, &mut number);
    let mut places = 0;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        places = digits(bytes, end + 1);
        push(&mut number, &bytes[end + 1..end + 1 + places]);
        end += 1 + places;
    }
    if number.is_empty() || number.len() > MAX_LENGTH {
        return None;
    }
    let (exponent, end) = exponent(bytes, end);
    Some((Decimal::new(sign == Some(b'-'), &number, exponent - places as i64), end))
}

/// Digits, with commas where each is followed by exactly three more.
fn whole(bytes: &[u8], at: usize, number: &mut String) -> usize {
    let mut end = at + digits(bytes, at);
    push(number, &bytes[at..end]);
    if !(1..=3).contains(&(end - at)) {
        return end;
    }
    while bytes.get(end) == Some(&b',') && digits(bytes, end + 1) == 3 {
        push(number, &bytes[end + 1..end + 4]);
        end += 4;
    }
    end
}

/// Digits to a number, of which no more are kept than show that it is too long.
fn push(number: &mut String, digits: &[u8]) {
    let room = (MAX_LENGTH + 1).saturating_sub(number.len());
    number.extend(digits.iter().take(room).copied().map(char::from));
}

/// The exponent at `at` (`e3`, `E-4`), 0 where there is none, and where it ends.
fn exponent(bytes: &[u8], at: usize) -> (i64, usize) {
    let none = (0, at);
    if !matches!(bytes.get(at), Some(b'e' | b'E')) {
        return none;
    }
    let sign = bytes.get(at + 1).copied().filter(|byte| b"+-".contains(byte));
    let from = at + 1 + usize::from(sign.is_some());
    let count = if from < bytes.len() { digits(bytes, from) } else { 0 };
    let value = std::str::from_utf8(&bytes[from.min(bytes.len())..][..count]).unwrap_or("");
    match value.parse::<i64>() {
        Ok(value) if count <= 3 => (if sign == Some(b'-') { -value } else { value }, from + count),
        _ => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written_in_one_form() {
        for (text, shown) in [
            ("42", "42"),
            ("-0", "0"),
            ("+7", "7"),
            ("007", "7"),
            ("1,234,567", "1234567"),
            ("1,23", "1"),
            ("1234,567", "1234"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("-.25x", "-0.25"),
            ("3.", "3"),
            ("1e3", "1000"),
            ("2.5E-3", "0.0025"),
            ("1e9999", "1"),
            ("12e", "12"),
            ("$18", "18"),
            ("-$18.00", "-18"),
            ("1e-30", "1e-30"),
            ("123e40", "123e40"),
        ] {
            assert_eq!(first(text).map(|n| n.to_string()).as_deref(), Some(shown), "{text}");
        }
        for text in ["", "x", "-", "$", ".", "e5", &"1".repeat(MAX_LENGTH + 1)] {
            assert_eq!(first(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_number_of_a_sentence() {
        for (text, shown) in [
            ("3-2", Some("2")),
            ("it is -2.", Some("-2")),
            ("5 + 6 = 11.", Some("11")),
            ("chapter 3.2.1", Some("1")),
            ("1,072 clips, not 12,34", Some("34")),
            ("none", None),
            ("costs $1,000,000!", Some("1000000")),
        ] {
            assert_eq!(last(text).map(|n| n.to_string()).as_deref(), shown, "{text}");
        }
        let long = "7 ".to_owned() + &"1".repeat(1000);
        assert_eq!(last(&long).map(|n| n.to_string()).as_deref(), Some("7"));
    }
}
