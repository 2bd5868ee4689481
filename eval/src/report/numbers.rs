//! How numbers are written for readers: rates in per cent, differences in points with their sign,
//! p-values, large counts.

use super::results::Estimate;
use super::table::{Cell, Tone};

/// Whether a number is a share of success, shown in per cent, or a score, shown as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// 0 to 1, shown as 0 to 100.
    Rate,
    /// Any number.
    Score,
}

/// What stands for a number that there is not.
pub(crate) const NOTHING: &str = "–";

impl Scale {
    /// The scale of a cut: verdicts have a k.
    pub(crate) fn of(k: Option<usize>) -> Self {
        if k.is_some() { Self::Rate } else { Self::Score }
    }

    /// A number.
    pub(crate) fn number(self, value: f64) -> String {
        let shown = match self {
            Self::Rate => format!("{:.1}", 100.0 * value),
            Self::Score if value.abs() >= 100.0 => format!("{value:.1}"),
            Self::Score => format!("{value:.3}"),
        };
        match shown.strip_prefix('-') {
            Some(size) if size.bytes().all(|b| b == b'0' || b == b'.') => size.to_owned(),
            Some(size) => format!("−{size}"),
            None => shown,
        }
    }

    /// A number with its sign.
    pub(crate) fn signed(self, value: f64) -> String {
        let shown = self.number(value);
        if shown.starts_with('−') || shown.bytes().all(|b| b == b'0' || b == b'.') {
            return shown;
        }
        format!("+{shown}")
    }
}

/// A rate or a mean with its interval.
pub(crate) fn estimate(estimate: &Estimate, scale: Scale) -> Cell {
    let unit = if scale == Scale::Rate { " %" } else { "" };
    let text = estimate.value.map(|value| format!("{}{unit}", scale.number(value)));
    let small =
        estimate.interval.map(|i| format!("[{}, {}]", scale.number(i.low), scale.number(i.high)));
    Cell {
        text: text.unwrap_or_else(|| NOTHING.into()),
        small: small.unwrap_or_default(),
        tone: Tone::Plain,
    }
}

/// A difference with its interval; set off where that leaves out 0, as a gain or a loss if it is one of
/// success.
pub(crate) fn difference(estimate: &Estimate, scale: Scale) -> Cell {
    let text = estimate.value.map_or_else(|| NOTHING.into(), |value| scale.signed(value));
    let small =
        estimate.interval.map(|i| format!("[{}, {}]", scale.signed(i.low), scale.signed(i.high)));
    let tone = match (estimate.interval, scale) {
        (Some(interval), Scale::Rate) if interval.low > 0.0 => Tone::Better,
        (Some(interval), Scale::Rate) if interval.high < 0.0 => Tone::Worse,
        (Some(interval), Scale::Score) if interval.low > 0.0 || interval.high < 0.0 => Tone::Strong,
        _ => Tone::Plain,
    };
    Cell { text, small: small.unwrap_or_default(), tone }
}

/// A p-value: three digits, or how small it is.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// A whole number with thin spaces between thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1 problem`, `2 problems`.
pub(crate) fn several(number: usize, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", count(number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(Scale::Rate.number(0.1585), "15.8");
        assert_eq!(Scale::Rate.signed(-0.0226), "−2.3");
        assert_eq!(Scale::Rate.signed(-0.00001), "0.0");
        assert_eq!(Scale::Score.signed(0.25), "+0.250");
        assert_eq!(
            (count(999), count(1_234_567)),
            ("999".into(), "1\u{202f}234\u{202f}567".into())
        );
        assert_eq!((p_value(0.0004), p_value(0.0312)), ("< 0.001".into(), "0.031".into()));
    }
}
