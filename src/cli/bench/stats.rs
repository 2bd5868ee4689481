//! Repeated measurements of one quantity: median, extremes, count. No outlier is dropped.

use serde_json::{Value, json};
use std::fmt;

/// Repeated measurements, sorted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    /// Measurements that are not finite (a division by a zero interval) are left out.
    pub(super) fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The middle value, or the mean of the two middle ones; NaN where nothing was measured.
    pub(super) fn median(&self) -> f64 {
        match self.0.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => self.0[n / 2],
            n => f64::midpoint(self.0[n / 2 - 1], self.0[n / 2]),
        }
    }

    pub(super) fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    pub(super) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// `{"median", "min", "max", "n"}`.
    pub(super) fn to_json(&self) -> Value {
        json!({"median": self.median(), "min": self.min(), "max": self.max(), "n": self.count()})
    }
}

/// `19.8 (19.1 .. 20.2, n = 5)`; the precision follows the size of the median.
impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = match self.median().abs() {
            median if median >= 100.0 => 0,
            median if median >= 10.0 => 1,
            _ => 3,
        };
        let (median, min, max) = (self.median(), self.min(), self.max());
        if self.count() < 2 {
            return write!(f, "{median:.places$}");
        }
        let n = self.count();
        write!(f, "{median:.places$} ({min:.places$} .. {max:.places$}, n = {n})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted_values() {
        assert_eq!(Samples::new([3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Samples::new([4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(Samples::new([f64::INFINITY, 7.0]).median(), 7.0);
        assert!(Samples::new([]).median().is_nan());
    }

    #[test]
    fn extremes_and_count_are_shown() {
        let samples = Samples::new([20.25, 19.125, 18.0]);
        assert_eq!(samples.to_string(), "19.1 (18.0 .. 20.2, n = 3)");
        assert_eq!(Samples::new([412.4]).to_string(), "412");
        assert_eq!(samples.to_json(), json!({"median": 19.125, "min": 18.0, "max": 20.25, "n": 3}));
    }
}
