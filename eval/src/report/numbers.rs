//! How numbers are written for readers: rates in per cent, differences in points with their sign,
//! p-values, large counts.

use super::results::{Cut, Estimate, Rate, Test, TestName};
use super::table::{Cell, Tone};
use crate::record::MeasureKind;
use crate::statistics::Method;

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
    /// The scale of a measure's numbers.
    pub(crate) fn of(kind: MeasureKind) -> Self {
        match kind {
            MeasureKind::Verdict | MeasureKind::Preference => Self::Rate,
            MeasureKind::Score => Self::Score,
        }
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
        ..Cell::default()
    }
}

/// The same of an arm's rate, with what it was counted from.
pub(crate) fn rate(rate: &Rate) -> Cell {
    let count = counted(rate).unwrap_or_default();
    Cell { count, ..estimate(&rate.estimate, Scale::of(rate.cut.kind)) }
}

/// `82/126`: samples that passed for pass@1, problems for a larger k where each is a plain success or
/// failure, and preferences with each tie as half of one.
fn counted(rate: &Rate) -> Option<String> {
    let plain = rate.estimate.interval.is_some_and(|i| i.method == Method::Wilson);
    let of_problems = |value: f64| value * rate.problems as f64;
    let (part, whole) = match (rate.cut.kind, rate.cut.k) {
        (MeasureKind::Verdict, Some(1)) => (rate.passed? as f64, rate.samples),
        (MeasureKind::Verdict, _) if plain => (of_problems(rate.estimate.value?), rate.problems),
        (MeasureKind::Preference, _) if plain => (of_problems(rate.estimate.value?), rate.problems),
        _ => return None,
    };
    (whole > 0).then(|| format!("{}/{}", halves(part), count(whole as u64)))
}

/// A whole number, or one and a half.
fn halves(number: f64) -> String {
    let doubled = (2.0 * number).round() as u64;
    let half = if doubled.is_multiple_of(2) { "" } else { ".5" };
    format!("{}{half}", count(doubled / 2))
}

/// A p-value, and whose.
pub(crate) fn p_of(test: &Test) -> Cell {
    let whose = match test.name {
        TestName::Mcnemar => "McNemar",
        TestName::Sign => "signs",
        TestName::SignFlip => "permuted",
    };
    Cell { text: p_value(test.p), small: whose.to_owned(), ..Cell::default() }
}

/// What a row's number is: `pass@5`, a rate of preferences, a mean.
pub(crate) fn statistic(cut: &Cut) -> String {
    match (cut.kind, cut.k) {
        (MeasureKind::Verdict, k) => format!("pass@{}", k.unwrap_or(1)),
        (MeasureKind::Preference, _) => "rate".to_owned(),
        (MeasureKind::Score, _) => "mean".to_owned(),
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
    Cell { text, small: small.unwrap_or_default(), tone, ..Cell::default() }
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
