//! Whether what a program printed is the expected output, as programming contests judge it.
//!
//! The rule: both outputs are split at ASCII white space, line ends included, and must have equally
//! many tokens. Two tokens agree where
//! 1. they are the same bytes; or
//! 2. both are numbers (no superfluous leading zeros: `007` is text) of exactly the same value:
//!    `1.50` and `1.5`, `3` and `3.0`, `-0` and `0`; or
//! 3. the expected one is written with a point or an exponent, and the printed number differs from
//!    it by at most [`TOLERANCE`], absolutely or relative to the expected value.
//!
//! A whole number is thus never compared with a tolerance, however long it is.

/// Largest absolute or relative error of a number that is expected with a point or an exponent.
pub const TOLERANCE: f64 = 1e-6;

/// The first token where two outputs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its index from 0.
    pub token: usize,
    /// What was expected there, lossily decoded; `None` where the expected output had ended.
    pub expected: Option<String>,
    /// What was printed there; `None` where the printed output had ended.
    pub printed: Option<String>,
}

/// The first difference between what was `printed` and what was `expected`, or `None` where the
/// rule of this module takes them for the same.
pub fn difference(printed: &[u8], expected: &[u8]) -> Option<Difference> {
    let split = |bytes| <[u8]>::split(bytes, u8::is_ascii_whitespace).filter(|t| !t.is_empty());
    let (mut printed, mut expected) = (split(printed), split(expected));
    for token in 0.. {
        let (p, e) = (printed.next(), expected.next());
        match (p, e) {
            (None, None) => return None,
            (Some(p), Some(e)) if agree(p, e) => {}
            _ => {
                let text = |token: &[u8]| String::from_utf8_lossy(token).into_owned();
                return Some(Difference { token, expected: e.map(text), printed: p.map(text) });
            }
        }
    }
    None
}

fn agree(printed: &[u8], expected: &[u8]) -> bool {
    if printed == expected {
        return true;
    }
    let (Some(p), Some(e)) = (Number::parse(printed), Number::parse(expected)) else {
        return false;
    };
    p.same_value(&e) || (e.real && close(p.value, e.value, TOLERANCE))
}

/// Whether `value` is within `tolerance` of a finite `expected`, absolutely or relatively.
pub(crate) fn close(value: f64, expected: f64, tolerance: f64) -> bool {
    (value - expected).abs() <= tolerance * expected.abs().max(1.0)
}

/// A decimal number, exactly: 0.`digits` times 10 to the power `scale`.
struct Number {
    negative: bool,
    /// Significant digits without leading or trailing zeros; empty for zero.
    digits: Vec<u8>,
    scale: i64,
    /// Written with a point or an exponent.
    real: bool,
    value: f64,
}

impl Number {
    fn parse(token: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(token).ok()?;
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent.parse::<i32>().ok()?)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let zeros = whole.len() > 1 && whole.starts_with('0');
        let empty = whole.is_empty() && fraction.unwrap_or("").is_empty();
        if zeros || empty || !plain(whole) || !plain(fraction.unwrap_or("")) {
            return None;
        }
        let all = [whole.as_bytes(), fraction.unwrap_or("").as_bytes()].concat();
        let leading = all.iter().take_while(|&&b| b == b'0').count();
        let trailing = all[leading..].iter().rev().take_while(|&&b| b == b'0').count();
        let digits = all[leading..all.len() - trailing].to_vec();
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
        Some(Self {
            negative,
            scale: point + i64::from(exponent.unwrap_or(0)),
            digits,
            real: fraction.is_some() || exponent.is_some(),
            value: text.parse().ok()?,
        })
    }

    fn same_value(&self, other: &Self) -> bool {
        let zero = self.digits.is_empty() && other.digits.is_empty();
        let same_sign = self.negative == other.negative;
        zero || (same_sign && self.scale == other.scale && self.digits == other.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(printed: &str, expected: &str) -> bool {
        difference(printed.as_bytes(), expected.as_bytes()).is_none()
    }

    #[test]
    fn white_space_is_only_a_separator() {
        assert!(same("1 2\n3\n", "1 2\n3"));
        assert!(same("1\n2\r\n 3  \n\n", "1 2\n3"));
        assert!(same("", "\n"));
        assert!(!same("12", "1 2") && !same("", "1") && !same("1 1", "1"));
        assert!(!same("1\u{a0}2", "1 2"), "a no-break space is part of a token");
    }

    #[test]
    fn text_is_compared_byte_by_byte() {
        assert!(same("Yes", "Yes") && !same("YES", "Yes"));
        assert!(!same("nan", "NaN") && !same("inf", "Infinity") && same("nan", "nan"));
        assert!(!same("0101", "101") && !same("101", "0101"), "leading zeros make a text");
        assert!(!same("1_000", "1000") && !same("0x10", "16") && !same("１", "1"));
        assert!(difference(b"\xff\xfe", b"\xff\xfe").is_none());
        assert!(difference(b"1\0", b"1").is_some());
    }

    #[test]
    fn equal_numbers_are_equal_however_written() {
        for (printed, expected) in [
            ("1.50", "1.5"),
            ("3.0", "3"),
            ("3", "3.0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1e2", "100"),
            (".5", "0.5"),
            ("5.", "5"),
            ("+7", "7"),
            ("100000000000000000000.0", "1e20"),
        ] {
            assert!(same(printed, expected), "{printed} {expected}");
        }
    }

    #[test]
    fn only_numbers_expected_with_a_point_have_a_tolerance() {
        assert!(same("0.30000000000000004", "0.3") && same("0.3000009", "0.3"));
        assert!(!same("0.300002", "0.3"));
        assert!(same("1000000.5", "1000000.0"), "5e-7 of the expected value");
        assert!(!same("1000002.5", "1000000.0"));
        assert!(same("1", "1.0000001") && same("-0.0000001", "0.0"));
        assert!(!same("1.0000001", "1"), "a whole number is exact");
        assert!(!same("50000000000000001", "50000000000000000"));
        let long = "7".repeat(100_000);
        assert!(same(&long, &long) && !same(&format!("{}8", &long[1..]), &long));
        assert!(!same("1e999", "1e400") && !same("1e999999999999", "1.0"));
    }

    #[test]
    fn the_first_difference_is_told() {
        let told = difference(b"1 2 4", b"1 2 3").unwrap();
        assert_eq!((told.token, told.printed.as_deref()), (2, Some("4")));
        let short = difference(b"1", b"1 2").unwrap();
        assert_eq!((short.token, short.printed, short.expected.as_deref()), (1, None, Some("2")));
    }
}
