//! How much of a change a package carries, by least squares over every value.
//!
//! With `w` the base's value, `d` what the adapters add as they are served, and `p` the package's value:
//! `p - w ≈ shrink · w + share · d`. Quantization adds noise that knows nothing of `d`, so that `share`
//! comes out as 1 within its standard error even where the noise of each value is many times the change.
//! The term in `w` takes up that a quantizer which minimises its error shrinks what it stores.

use std::ops::AddAssign;

/// Sums over the values of one module, enough for the regression.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    count: f64,
    base: f64,
    change: f64,
    base_change: f64,
    found: f64,
    found_base: f64,
    found_change: f64,
    rounded: f64,
    rounded_base: f64,
    rounded_change: f64,
    /// Of the difference between the package and what it should be.
    difference: f64,
    expected: f64,
}

/// One value on every side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    /// The base's.
    pub(super) base: f32,
    /// What the adapters add.
    pub(super) change: f32,
    /// `base + change`, rounded as the package's type rounds single values.
    pub(super) rounded: f32,
    /// The package's.
    pub(super) package: f32,
}

impl Sums {
    pub(super) fn add(&mut self, value: &Value) {
        let [base, change, rounded, package] =
            [value.base, value.change, value.rounded, value.package].map(f64::from);
        let (found, kept) = (package - base, rounded - base);
        self.count += 1.0;
        self.base += base * base;
        self.change += change * change;
        self.base_change += base * change;
        self.found += found * found;
        self.found_base += found * base;
        self.found_change += found * change;
        self.rounded += kept * kept;
        self.rounded_base += kept * base;
        self.rounded_change += kept * change;
        self.difference += (package - rounded) * (package - rounded);
        self.expected += rounded * rounded;
    }

    /// What the package carries of the change; `None` where there is no change.
    pub(super) fn carried(&self) -> Option<Carried> {
        if self.change == 0.0 {
            return None;
        }
        let (share, error) = self.regress(self.found, self.found_base, self.found_change);
        let (possible, _) = self.regress(self.rounded, self.rounded_base, self.rounded_change);
        Some(Carried { share, error, possible })
    }

    /// Root mean square of (package - what it should be), over that of what it should be.
    pub(super) fn relative_error(&self) -> f64 {
        match (self.difference, self.expected) {
            (0.0, _) => 0.0,
            (difference, expected) => (difference / expected).sqrt(),
        }
    }

    /// The coefficient of the change in a regression on base and change, with its standard error.
    fn regress(&self, y: f64, y_base: f64, y_change: f64) -> (f64, f64) {
        // The change without what of it lies along the base.
        let along = if self.base > 0.0 { self.base_change / self.base } else { 0.0 };
        let free = self.change - along * self.base_change;
        if free <= self.change * 1e-9 {
            return self.regress_on_change_alone(y, y_change);
        }
        let share = (y_change - along * y_base) / free;
        let shrink = if self.base > 0.0 { y_base / self.base - share * along } else { 0.0 };
        let residual = (y - shrink * y_base - share * y_change).max(0.0);
        (share, (residual / self.count.max(1.0) / free).sqrt())
    }

    /// Where the change is a multiple of the base, the two cannot be told apart.
    fn regress_on_change_alone(&self, y: f64, y_change: f64) -> (f64, f64) {
        let share = y_change / self.change;
        let residual = (y - share * y_change).max(0.0);
        (share, (residual / self.count.max(1.0) / self.change).sqrt())
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.base += other.base;
        self.change += other.change;
        self.base_change += other.base_change;
        self.found += other.found;
        self.found_base += other.found_base;
        self.found_change += other.found_change;
        self.rounded += other.rounded;
        self.rounded_base += other.rounded_base;
        self.rounded_change += other.rounded_change;
        self.difference += other.difference;
        self.expected += other.expected;
    }
}

/// How much of the adapters' change is in a package.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Carried {
    /// 1 where all of it is, 0 where none, 2 where it was added twice.
    pub share: f64,
    /// Standard error of `share`.
    pub error: f64,
    /// The share that the package's float type can hold: below 1 where a change is smaller than the
    /// type's steps. 1 for block types, whose scales shift every value.
    pub possible: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic noise, roughly normal.
    fn noise(seed: u32) -> f32 {
        let mut x = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
        let mut sum = 0.0;
        for _ in 0..8 {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            sum += f64::from(x) / f64::from(u32::MAX) - 0.5;
        }
        sum as f32
    }

    fn sums(share: f32, shrink: f32, coarse: f32) -> Sums {
        let mut sums = Sums::default();
        for i in 0..40_000 {
            let (base, change) = (noise(3 * i), 0.01 * noise(3 * i + 1));
            let package = (1.0 - shrink) * base + share * change + coarse * noise(3 * i + 2);
            sums.add(&Value { base, change, rounded: base + change, package });
        }
        sums
    }

    #[test]
    fn the_share_is_found_below_noise_that_is_ten_times_the_change() {
        for share in [0.0, 0.5, 1.0, 2.0, -1.0] {
            let carried = sums(share, 0.01, 0.1).carried().unwrap();
            let off = (carried.share - f64::from(share)).abs();
            assert!(off < 4.0 * carried.error && carried.error < 0.06, "{share}: {carried:?}");
            assert!((carried.possible - 1.0).abs() < 1e-6, "{carried:?}");
        }
    }

    #[test]
    fn the_error_is_relative_to_what_should_be() {
        let error = sums(1.0, 0.0, 0.1).relative_error();
        assert!((error - 0.1).abs() < 0.005, "{error}");
        assert!(sums(1.0, 0.0, 0.0).relative_error() < 1e-6);
    }

    #[test]
    fn a_change_along_the_base_is_found_too() {
        let mut sums = Sums::default();
        for i in 0..1000 {
            let base = noise(i);
            let change = 0.5 * base;
            sums.add(&Value { base, change, rounded: base + change, package: base + change });
        }
        let carried = sums.carried().unwrap();
        assert!((carried.share - 1.0).abs() < 1e-6, "{carried:?}");
    }

    #[test]
    fn sums_of_parts_are_the_sum() {
        let (mut whole, mut parts) = (sums(1.0, 0.0, 0.1), sums(1.0, 0.0, 0.1));
        whole += whole;
        parts += parts;
        assert_eq!(whole.carried(), parts.carried());
        assert!(Sums::default().carried().is_none());
    }
}
