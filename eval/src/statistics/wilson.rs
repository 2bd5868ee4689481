//! Wilson's score interval of one proportion (Wilson 1927; without continuity correction).

use super::distributions::Z;
use super::{Interval, Method};

/// Where the chance of success lies that gave `successes` in `trials`. `trials` must not be 0.
pub fn wilson(successes: usize, trials: usize) -> Interval {
    wilson_of_parts(successes as f64, trials)
}

/// The same where a trial may also be worth a part of a success (a tie half of one, a problem the share
/// of its samples): where the mean lies of numbers from 0 to 1 that add up to `sum`. Such a number
/// varies at most as much as a plain success of the same chance (Bhatia and Davis 2000, *A Better Bound
/// on the Variance*), so the interval is never too narrow, and it only moves up as `sum` grows.
/// `trials` must not be 0, nor `sum` below 0 or above `trials`.
pub fn wilson_of_parts(sum: f64, trials: usize) -> Interval {
    let n = trials as f64;
    let p = sum / n;
    let z2 = Z * Z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // At 0 and at `trials` the ends are 0 and 1 exactly, up to rounding.
    let low = if sum <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if sum >= n { 1.0 } else { (centre + half).min(1.0) };
    Interval { low, high, method: Method::Wilson }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_sum_moves_both_ends_up() {
        for trials in [1, 4, 15, 400] {
            let steps = 20 * trials;
            let at = |step: usize| wilson_of_parts(step as f64 / 20.0, trials);
            for step in 1..=steps {
                let (before, now) = (at(step - 1), at(step));
                assert!(before.low <= now.low && before.high <= now.high, "{step} of {steps}");
            }
            assert_eq!(at(20), wilson(1, trials));
        }
    }
}
