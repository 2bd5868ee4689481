//! Python's `eval` for the texts that TinyZero lets through: digits, `+ - * / ( ) .` and white space.
//! Integers of any size up to a bound, floats and complex numbers as CPython 3.11 computes them, its
//! limits on nesting as measured. What Python refuses or raises has no value here, and the same goes
//! for what would take for ever. Leaves out every other character.

mod complex;
mod number;

pub(super) use number::Number;

pub use number::MAX_BITS;

/// Deepest nesting of parentheses.
const MAX_PARENTHESES: usize = 200;
/// Longest chain of signs before one operand.
const MAX_SIGNS: usize = 2990;
/// Levels of CPython's parser, of which a sign takes one.
const MAX_LEVELS: usize = 5975;
/// Levels that a pair of parentheses takes, or the right side of a power.
const LEVELS_OF_PARENTHESES: usize = 28;

/// The value of `text`; `None` where `eval` raises, or gives something that is no number.
pub(super) fn eval(text: &str) -> Option<Number> {
    let mut parser = Parser { text: text.as_bytes(), at: 0, parentheses: 0, signs: 0, levels: 0 };
    let value = parser.sum()?;
    parser.peek().is_none().then_some(value)
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    /// Parentheses open here.
    parentheses: usize,
    /// Signs whose operand is being read.
    signs: usize,
    /// Levels of CPython's parser in use.
    levels: usize,
}

impl Parser<'_> {
    /// The next byte that is not white space. A line's end is white space within parentheses alone.
    fn peek(&mut self) -> Option<u8> {
        let inside = self.parentheses > 0;
        let space =
            |byte: &u8| matches!(byte, b' ' | b'\t' | b'\x0c') || (inside && *byte == b'\r');
        while self.text.get(self.at).is_some_and(space) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes the operator that stands next, if it is one of `operators`; `**` is another than `*`.
    fn operator(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        self.peek()?;
        let rest = &self.text[self.at..];
        let doubled = rest.len() > 1 && rest[0] == rest[1] && b"*/".contains(&rest[0]);
        let length = if doubled { 2 } else { 1 };
        let found = operators.iter().find(|operator| operator.as_bytes() == &rest[..length])?;
        self.at += length;
        Some(found)
    }

    fn sum(&mut self) -> Option<Number> {
        let mut value = self.product()?;
        while let Some(operator) = self.operator(&["+", "-"]) {
            let right = self.product()?;
            value = if operator == "+" { value.add(right)? } else { value.subtract(right)? };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<Number> {
        let mut value = self.signed()?;
        while let Some(operator) = self.operator(&["*", "/", "//"]) {
            let right = self.signed()?;
            value = match operator {
                "*" => value.multiply(right)?,
                "/" => value.divide(right)?,
                _ => value.floor_divide(right)?,
            };
        }
        Some(value)
    }

    /// Signs and their operand.
    fn signed(&mut self) -> Option<Number> {
        let (before, mut negative) = (self.signs, false);
        while let Some(sign) = self.operator(&["+", "-"]) {
            negative ^= sign == "-";
            self.signs += 1;
            if self.signs > MAX_SIGNS {
                return None;
            }
        }
        let signs = self.signs - before;
        self.descend(signs)?;
        let value = self.power()?;
        self.levels -= signs;
        self.signs = before;
        Some(if negative { value.negate() } else { value })
    }

    /// A power binds closer than the sign before it, and looser than the one behind `**`.
    fn power(&mut self) -> Option<Number> {
        let base = self.atom()?;
        if self.operator(&["**"]).is_none() {
            return Some(base);
        }
        self.descend(LEVELS_OF_PARENTHESES)?;
        let exponent = self.signed()?;
        self.levels -= LEVELS_OF_PARENTHESES;
        base.power(exponent)
    }

    fn descend(&mut self, levels: usize) -> Option<()> {
        self.levels += levels;
        (self.levels <= MAX_LEVELS).then_some(())
    }

    /// A literal, or a sum in parentheses. Whatever follows at once (`3(5)`, `3 5`) leaves something
    /// that no operator begins, so that it fails further up.
    fn atom(&mut self) -> Option<Number> {
        if self.peek()? != b'(' {
            return self.literal();
        }
        self.at += 1;
        self.parentheses += 1;
        if self.parentheses > MAX_PARENTHESES {
            return None;
        }
        self.descend(LEVELS_OF_PARENTHESES)?;
        let value = self.sum()?;
        if self.peek()? != b')' {
            return None;
        }
        self.at += 1;
        self.parentheses -= 1;
        self.levels -= LEVELS_OF_PARENTHESES;
        Some(value)
    }

    /// `12`, `12.`, `.5` or `1.25`. An integer begins with a zero only if it is zero.
    fn literal(&mut self) -> Option<Number> {
        let rest = &self.text[self.at..];
        let digits =
            |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = digits(0);
        let point = rest.get(whole) == Some(&b'.');
        let places = if point { digits(whole + 1) } else { 0 };
        if whole + places == 0 {
            return None;
        }
        let length = whole + usize::from(point) + places;
        let text = std::str::from_utf8(&rest[..length]).ok()?;
        self.at += length;
        if point {
            return text.parse().ok().map(Number::Float);
        }
        let padded = text.starts_with('0') && text.bytes().any(|byte| byte != b'0');
        if padded { None } else { text.parse().ok().map(Number::Int) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the value looks like, for integers and floats.
    fn shown(text: &str) -> String {
        match eval(text) {
            Some(Number::Int(value)) => value.to_string(),
            Some(Number::Float(value)) => format!("{value:?}"),
            Some(Number::Complex(value)) => format!("{value:?}"),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn operators_bind_as_in_python() {
        for (text, value) in [
            ("2**3**2", "512"),
            ("-3**2", "-9"),
            ("3**-2", "0.1111111111111111"),
            ("2+3*4", "14"),
            ("7//2*2", "6"),
            ("-7//2", "-4"),
            ("7.5//2", "3.0"),
            ("7//-.5", "-14.0"),
            ("1/3", "0.3333333333333333"),
            ("- -3", "3"),
            ("3- -3", "6"),
            ("00", "0"),
            ("00.5+1.", "1.5"),
            ("(3\r+\x0c4)", "7"),
            ("10**400/10**399", "10.0"),
            ("2**0", "1"),
            ("0.0**0", "1.0"),
        ] {
            assert_eq!(shown(text), value, "{text}");
        }
    }

    #[test]
    fn what_python_refuses_has_no_value() {
        for text in [
            "",
            "()",
            "...",
            "3(5)",
            "(1)(2)",
            "3 5",
            "3***2",
            "3* *2",
            "3/ /2",
            "*3",
            "3+\r4",
            "3\r+4",
            "01",
            "1.5.",
            "5..5",
            "5. .5",
            "0**-1",
            "1//0",
            "1/0",
            "1.0//0",
            "(3",
            "3)",
            "10**400*1.0",
            "10**400/1",
            "2.0**5000",
            "(-8)**.5//1",
        ] {
            assert_eq!(shown(text), "none", "{text:?}");
        }
    }

    #[test]
    fn nesting_ends_where_pythons_does() {
        let parentheses = |n: usize| "(".repeat(n) + "3" + &")".repeat(n);
        assert_eq!(
            (shown(&parentheses(200)), shown(&parentheses(201))),
            ("3".into(), "none".into())
        );
        let signs = |n: usize| "-".repeat(n) + "3";
        assert_eq!((shown(&signs(2990)), shown(&signs(2991))), ("3".into(), "none".into()));
        let both = |n: usize| "-----(".repeat(n) + "3" + &")".repeat(n);
        assert_eq!((shown(&both(181)), shown(&both(182))), ("-3".into(), "none".into()));
    }
}
