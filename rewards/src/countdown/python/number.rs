//! Python's numbers: integers, floats and complex ones, each operator giving what CPython's gives or
//! nothing where it raises.

use num_bigint::{BigInt, Sign};

use super::complex::Complex;

/// Most bits of an integer on the way; TinyZero's scorer computes larger ones for as long as it takes.
pub const MAX_BITS: u64 = 1 << 20;

/// A number.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::countdown) enum Number {
    /// `int`.
    Int(BigInt),
    /// `float`.
    Float(f64),
    /// `complex`: what a broken power of a negative number is.
    Complex(Complex),
}

/// Two operands made alike, as Python does.
enum Pair {
    Int(BigInt, BigInt),
    Float(f64, f64),
    Complex(Complex, Complex),
}

impl Number {
    /// Whether `abs(self - target) < tolerance`, for a tolerance below 1.
    pub(in crate::countdown) fn is_near(&self, target: i64, tolerance: f64) -> bool {
        match self {
            Self::Int(value) => *value == BigInt::from(target),
            Self::Float(value) => (value - target as f64).abs() < tolerance,
            Self::Complex(value) => {
                let difference = value.subtract(Complex::real(target as f64));
                difference.re.hypot(difference.im) < tolerance
            }
        }
    }

    pub(super) fn negate(self) -> Self {
        match self {
            Self::Int(value) => Self::Int(-value),
            Self::Float(value) => Self::Float(-value),
            Self::Complex(Complex { re, im }) => Self::Complex(Complex { re: -re, im: -im }),
        }
    }

    pub(super) fn add(self, other: Self) -> Option<Self> {
        Some(match pair(self, other)? {
            Pair::Int(a, b) => return bounded(a + b),
            Pair::Float(a, b) => Self::Float(a + b),
            Pair::Complex(a, b) => Self::Complex(a.add(b)),
        })
    }

    pub(super) fn subtract(self, other: Self) -> Option<Self> {
        Some(match pair(self, other)? {
            Pair::Int(a, b) => return bounded(a - b),
            Pair::Float(a, b) => Self::Float(a - b),
            Pair::Complex(a, b) => Self::Complex(a.subtract(b)),
        })
    }

    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        Some(match pair(self, other)? {
            Pair::Int(a, b) => return bounded(a * b),
            Pair::Float(a, b) => Self::Float(a * b),
            Pair::Complex(a, b) => Self::Complex(a.multiply(b)),
        })
    }

    pub(super) fn divide(self, other: Self) -> Option<Self> {
        Some(match pair(self, other)? {
            Pair::Int(a, b) => Self::Float(quotient(&a, &b)?),
            Pair::Float(a, b) => Self::Float((b != 0.0).then(|| a / b)?),
            Pair::Complex(a, b) => Self::Complex(a.divide(b)?),
        })
    }

    pub(super) fn floor_divide(self, other: Self) -> Option<Self> {
        match pair(self, other)? {
            Pair::Int(_, b) if b.sign() == Sign::NoSign => None,
            Pair::Int(a, b) => Some(Self::Int(floor(&a, &b))),
            Pair::Float(a, b) => floor_float(a, b).map(Self::Float),
            Pair::Complex(..) => None,
        }
    }

    pub(super) fn power(self, other: Self) -> Option<Self> {
        match pair(self, other)? {
            Pair::Int(a, b) if b.sign() == Sign::Minus => power_float(float(&a)?, float(&b)?),
            Pair::Int(a, b) => power_int(&a, &b),
            Pair::Float(a, b) => power_float(a, b),
            Pair::Complex(a, b) => a.power(b).map(Self::Complex),
        }
    }
}

fn pair(a: Number, b: Number) -> Option<Pair> {
    Some(match (a, b) {
        (Number::Int(a), Number::Int(b)) => Pair::Int(a, b),
        (Number::Complex(a), b) => Pair::Complex(a, complex(b)?),
        (a, Number::Complex(b)) => Pair::Complex(complex(a)?, b),
        (Number::Float(a), Number::Float(b)) => Pair::Float(a, b),
        (Number::Float(a), Number::Int(b)) => Pair::Float(a, float(&b)?),
        (Number::Int(a), Number::Float(b)) => Pair::Float(float(&a)?, b),
    })
}

fn complex(number: Number) -> Option<Complex> {
    Some(match number {
        Number::Int(value) => Complex::real(float(&value)?),
        Number::Float(value) => Complex::real(value),
        Number::Complex(value) => value,
    })
}

fn bounded(value: BigInt) -> Option<Number> {
    (value.bits() <= MAX_BITS).then_some(Number::Int(value))
}

/// The nearest float; `None` when there is none so large.
fn float(value: &BigInt) -> Option<f64> {
    quotient(value, &BigInt::from(1))
}

/// `a / b` rounded once; `None` for `b` = 0 and for a quotient larger than any float.
fn quotient(a: &BigInt, b: &BigInt) -> Option<f64> {
    if b.sign() == Sign::NoSign {
        return None;
    }
    if a.sign() == Sign::NoSign {
        return Some(if b.sign() == Sign::Minus { -0.0 } else { 0.0 });
    }
    let sign = if a.sign() == b.sign() { 1.0 } else { -1.0 };
    let (a, b) = (a.magnitude(), b.magnitude());
    // The quotient's leading 66 or 67 bits, the last of which stands for all that follow.
    let shift = 66 - (a.bits() as i64 - b.bits() as i64);
    let (a, b) = match shift {
        0.. => (a << shift.unsigned_abs(), b.clone()),
        _ => (a.clone(), b << shift.unsigned_abs()),
    };
    let leading = u128::try_from(&a / &b).ok()?;
    let sticky = u128::from(&a % &b != num_bigint::BigUint::ZERO);
    let value = scaled((leading | sticky) as f64, -shift);
    value.is_finite().then_some(sign * value)
}

/// `value` times two to the power of `exponent`, in two steps so that none overflows early.
fn scaled(value: f64, exponent: i64) -> f64 {
    let exponent = exponent.clamp(-2400, 2400) as i32;
    let half = exponent / 2;
    value * 2.0_f64.powi(half) * 2.0_f64.powi(exponent - half)
}

/// The quotient rounded down; `b` is not 0.
fn floor(a: &BigInt, b: &BigInt) -> BigInt {
    let quotient = a / b;
    let exact = &quotient * b == *a;
    if exact || a.sign() == b.sign() { quotient } else { quotient - 1 }
}

/// CPython's `float.__floordiv__`.
fn floor_float(a: f64, b: f64) -> Option<f64> {
    if b == 0.0 {
        return None;
    }
    let remainder = a % b;
    let mut quotient = (a - remainder) / b;
    if remainder != 0.0 && (b < 0.0) != (remainder < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return Some(0.0_f64.copysign(a / b));
    }
    let floor = quotient.floor();
    Some(if quotient - floor > 0.5 { floor + 1.0 } else { floor })
}

/// An integer's power with an exponent from 0 on.
fn power_int(base: &BigInt, exponent: &BigInt) -> Option<Number> {
    if base.bits() <= 1 {
        let odd = exponent.bit(0);
        let one = BigInt::from(1);
        let zero = base.sign() == Sign::NoSign && exponent.sign() != Sign::NoSign;
        let negative = base.sign() == Sign::Minus && odd;
        return Some(Number::Int(if zero {
            BigInt::ZERO
        } else if negative {
            -one
        } else {
            one
        }));
    }
    let exponent = u32::try_from(exponent).ok()?;
    let bits = base.bits().checked_mul(u64::from(exponent))?;
    if bits > MAX_BITS { None } else { bounded(base.pow(exponent)) }
}

/// CPython's `float.__pow__`, which gives a complex number for a broken power of a negative one.
fn power_float(base: f64, exponent: f64) -> Option<Number> {
    if base == 0.0 && exponent < 0.0 {
        return None;
    }
    let finite = base.is_finite() && exponent.is_finite();
    if finite && base < 0.0 && exponent.fract() != 0.0 {
        let power = Complex::real(base).power(Complex::real(exponent));
        return power.map(Number::Complex);
    }
    let power = base.powf(exponent);
    (power.is_finite() || !finite).then_some(Number::Float(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_of_large_integers_are_rounded_once() {
        let big = |text: &str| text.parse::<BigInt>().unwrap();
        let one = BigInt::from(1);
        assert_eq!(quotient(&big("9007199254740993"), &one), Some(9_007_199_254_740_992.0));
        assert_eq!(quotient(&big("9007199254740995"), &one), Some(9_007_199_254_740_996.0));
        assert_eq!(quotient(&big("-9007199254740993"), &big("9007199254740992")), Some(-1.0));
        assert_eq!(quotient(&BigInt::from(1), &BigInt::from(-3)), Some(-1.0 / 3.0));
        let largest = BigInt::from(10).pow(308);
        assert_eq!(quotient(&largest, &one), Some(1e308));
        assert_eq!(quotient(&BigInt::from(10).pow(309), &one), None);
        assert_eq!(quotient(&one, &BigInt::from(10).pow(400)), Some(0.0));
        assert_eq!(quotient(&one, &BigInt::ZERO), None);
    }

    #[test]
    fn broken_powers_of_negative_numbers_are_complex() {
        let Some(Number::Complex(power)) = power_float(-8.0, 0.5) else { panic!() };
        // CPython 3.11: (-8)**.5
        assert_eq!((power.re, power.im), (1.731_912_112_470_986_8e-16, 2.828_427_124_746_190_3));
    }
}
