//! Python's complex numbers, by CPython 3.11's formulas.

/// A complex number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::countdown) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

/// Largest whole exponent that is multiplied out.
const MAX_MULTIPLIED: f64 = 100.0;

impl Complex {
    pub(super) const fn real(re: f64) -> Self {
        Self { re, im: 0.0 }
    }

    pub(super) fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }

    pub(super) fn subtract(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }

    /// Smith's algorithm; `None` for a divisor of zero.
    pub(super) fn divide(self, other: Self) -> Option<Self> {
        let Self { re: a, im: b } = self;
        let Self { re: c, im: d } = other;
        if c.abs() >= d.abs() {
            let ratio = d / c;
            let scale = c + d * ratio;
            let quotient = Self { re: (a + b * ratio) / scale, im: (b - a * ratio) / scale };
            (c != 0.0).then_some(quotient)
        } else {
            let ratio = c / d;
            let scale = c * ratio + d;
            Some(Self { re: (a * ratio + b) / scale, im: (b * ratio - a) / scale })
        }
    }

    /// `None` for zero to a power that is not positive, and for what is larger than any float.
    pub(super) fn power(self, exponent: Self) -> Option<Self> {
        let whole = exponent.im == 0.0 && exponent.re == exponent.re.floor();
        let power = if whole && exponent.re.abs() <= MAX_MULTIPLIED {
            let multiplied = self.multiplied(exponent.re.abs() as u32);
            if exponent.re > 0.0 { multiplied } else { Self::real(1.0).divide(multiplied)? }
        } else {
            self.polar_power(exponent)?
        };
        (!power.re.is_infinite() && !power.im.is_infinite()).then_some(power)
    }

    fn multiplied(self, times: u32) -> Self {
        let (mut result, mut factor, mut rest) = (Self::real(1.0), self, times);
        while rest > 0 {
            if rest & 1 == 1 {
                result = result.multiply(factor);
            }
            rest >>= 1;
            factor = factor.multiply(factor);
        }
        result
    }

    fn polar_power(self, exponent: Self) -> Option<Self> {
        if self == Self::real(0.0) {
            let defined = exponent.im == 0.0 && exponent.re >= 0.0;
            return defined.then_some(Self::real(0.0));
        }
        let modulus = self.re.hypot(self.im);
        let angle = self.im.atan2(self.re);
        let (mut length, mut phase) = (modulus.powf(exponent.re), angle * exponent.re);
        if exponent.im != 0.0 {
            length /= (angle * exponent.im).exp();
            phase += exponent.im * modulus.ln();
        }
        Some(Self { re: length * phase.cos(), im: length * phase.sin() })
    }
}
