//! The normal and Student's distribution: what intervals and tests look up.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The normal quantile of [`LEVEL`](super::LEVEL), both tails: 97.5 %.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// The chance that a standard normal number is at most `x`.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The number that a standard normal one is at most with chance `p`, 0 < p < 1, to about 1e-13 (by
/// halving the range; the ends of the range stand for 0 and 1).
pub fn normal_quantile(p: f64) -> f64 {
    halve(p, normal_cdf, 38.0)
}

/// The same for Student's distribution with `freedom` degrees of freedom (at least 1).
pub fn student_quantile(p: f64, freedom: usize) -> f64 {
    if freedom > EXACT {
        return cornish_fisher(normal_quantile(p), freedom as f64);
    }
    halve(p, |x| student_cdf(x, freedom), 1e6)
}

/// Up to here Student's distribution is summed exactly.
const EXACT: usize = 200;

/// Where the rising function `cdf` reaches `p`, between `-bound` and `bound`.
fn halve(p: f64, cdf: impl Fn(f64) -> f64, bound: f64) -> f64 {
    let (mut low, mut high) = (-bound, bound);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if cdf(middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Abramowitz and Stegun 26.7.3 and 26.7.4: a finite sum for a whole number of degrees of freedom.
fn student_cdf(x: f64, freedom: usize) -> f64 {
    let theta = (x / (freedom as f64).sqrt()).atan();
    let (sin, cos) = theta.sin_cos();
    let odd = freedom % 2 == 1;
    // The sum's first power of the cosine, and the factor that leads from term to term.
    let (mut term, mut sum) = if odd { (cos, 0.0) } else { (1.0, 0.0) };
    let mut power = if odd { 1 } else { 0 };
    while power + 2 <= freedom {
        sum += term;
        power += 2;
        term *= cos * cos * (power - 1) as f64 / power as f64;
    }
    let inside = if odd { 2.0 / PI * (theta + sin * sum) } else { sin * sum };
    0.5 + 0.5 * inside
}

/// Abramowitz and Stegun 26.7.5: Student's quantile from the normal one.
fn cornish_fisher(z: f64, freedom: f64) -> f64 {
    let z2 = z * z;
    let g1 = z * (z2 + 1.0) / 4.0;
    let g2 = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    let g3 = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    z + (g1 + (g2 + g3 / freedom) / freedom) / freedom
}
