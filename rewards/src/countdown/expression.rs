//! Arithmetic expressions: integers, `+ - * /`, signs, parentheses; parsed by recursive descent and
//! valued exactly.

use std::fmt;

/// Longest expression that is read, in bytes.
const MAX_LENGTH: usize = 1000;
/// Deepest nesting of parentheses and signs that is read.
const MAX_DEPTH: usize = 50;

/// A rational number in lowest terms with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    /// Above the line; carries the sign.
    pub numerator: i128,
    /// Below the line; positive.
    pub denominator: i128,
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            _ => write!(f, "{}/{}", self.numerator, self.denominator),
        }
    }
}

impl<T: Into<i128>> From<T> for Fraction {
    fn from(whole: T) -> Self {
        Self { numerator: whole.into(), denominator: 1 }
    }
}

impl Fraction {
    /// Lowest terms; `None` when the denominator is zero or a figure leaves the range.
    fn reduced(numerator: Option<i128>, denominator: Option<i128>) -> Option<Self> {
        let (numerator, denominator) = (numerator?, denominator?);
        let divisor = gcd(numerator.checked_abs()?, denominator.checked_abs()?);
        let sign = denominator.signum();
        (denominator != 0).then(|| Self {
            numerator: sign * numerator / divisor,
            denominator: sign * denominator / divisor,
        })
    }

    fn apply(self, operator: u8, other: Self) -> Option<Self> {
        let Self { numerator: a, denominator: b } = self;
        let Self { numerator: c, denominator: d } = other;
        match operator {
            b'+' => {
                Self::reduced(a.checked_mul(d)?.checked_add(c.checked_mul(b)?), b.checked_mul(d))
            }
            b'-' => {
                Self::reduced(a.checked_mul(d)?.checked_sub(c.checked_mul(b)?), b.checked_mul(d))
            }
            b'*' => Self::reduced(a.checked_mul(c), b.checked_mul(d)),
            _ => Self::reduced(a.checked_mul(d), b.checked_mul(c)),
        }
    }
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// An expression that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Its value.
    pub value: Fraction,
    /// The integers in it, in order.
    pub numbers: Vec<u64>,
}

/// Reads and values an expression.
///
/// # Errors
/// The reason, in words, when it is not an expression, divides by zero, or is too long, deep or
/// large.
pub fn parse(text: &str) -> Result<Parsed, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("longer than {MAX_LENGTH} characters"));
    }
    let mut parser = Parser { text: text.as_bytes(), at: 0, depth: 0, numbers: Vec::new() };
    let value = parser.sum()?;
    match parser.peek() {
        None => Ok(Parsed { value, numbers: parser.numbers }),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    numbers: Vec<u64>,
}

impl Parser<'_> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn unexpected(&mut self) -> String {
        match self.peek() {
            None => "it ends where a number or `(` should stand".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => {
                format!("unexpected `{}` at position {}", char::from(byte), self.at)
            }
            Some(_) => format!("unexpected character at position {}", self.at),
        }
    }

    fn sum(&mut self) -> Result<Fraction, String> {
        let mut value = self.product()?;
        while let Some(operator @ (b'+' | b'-')) = self.peek() {
            self.at += 1;
            let right = self.product()?;
            value = value.apply(operator, right).ok_or("a number on the way is too large")?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<Fraction, String> {
        let mut value = self.operand()?;
        while let Some(operator @ (b'*' | b'/')) = self.peek() {
            self.at += 1;
            let right = self.operand()?;
            if operator == b'/' && right.numerator == 0 {
                return Err("it divides by zero".to_owned());
            }
            value = value.apply(operator, right).ok_or("a number on the way is too large")?;
        }
        Ok(value)
    }

    fn operand(&mut self) -> Result<Fraction, String> {
        match self.peek() {
            Some(b'(') => self.parenthesis(),
            Some(sign @ (b'+' | b'-')) => self.signed(sign),
            Some(digit) if digit.is_ascii_digit() => self.integer(),
            _ => Err(self.unexpected()),
        }
    }

    fn parenthesis(&mut self) -> Result<Fraction, String> {
        let value = self.inside(Self::sum)?;
        if self.peek() != Some(b')') {
            return Err(format!("`)` expected at position {}", self.at));
        }
        self.at += 1;
        Ok(value)
    }

    /// An operand after its sign; as close as this it binds in Python too.
    fn signed(&mut self, sign: u8) -> Result<Fraction, String> {
        let value = self.inside(Self::operand)?;
        let zero = Fraction::from(0_u64);
        zero.apply(sign, value).ok_or_else(|| "a number on the way is too large".to_owned())
    }

    /// What stands behind the character at hand, one level deeper.
    fn inside(
        &mut self,
        read: impl Fn(&mut Self) -> Result<Fraction, String>,
    ) -> Result<Fraction, String> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("parentheses and signs nest deeper than {MAX_DEPTH}"));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn integer(&mut self) -> Result<Fraction, String> {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = &rest[..length];
        let number = digits.iter().try_fold(0_u64, |number, digit| {
            number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        let number = number.ok_or("a number in it is too large")?;
        self.at += length;
        self.numbers.push(number);
        Ok(Fraction::from(number))
    }
}
