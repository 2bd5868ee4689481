//! Wilson's score interval of one proportion (Wilson 1927; without continuity correction).

use super::distributions::Z;
use super::{Interval, Method};

/// Where the chance of success lies that gave `successes` in `trials`. `trials` must not be 0.
pub fn wilson(successes: usize, trials: usize) -> Interval {
    let n = trials as f64;
    let p = successes as f64 / n;
    let z2 = Z * Z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // At 0 and at `trials` the ends are 0 and 1 exactly, up to rounding.
    let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if successes == trials { 1.0 } else { (centre + half).min(1.0) };
    Interval { low, high, method: Method::Wilson }
}
