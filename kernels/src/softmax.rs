//! Softmax of a row, and what sampling and losses need of a row of logits without writing it.

use crate::exp::exp;
use crate::level::Level;
use crate::simd::{Kernel, LANES, Simd};

/// Elements summed in f32 before they join an f64 total.
const STRETCH: usize = 2048;

/// Of one row of logits `z`, with `p = softmax(z)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitStats {
    /// `ln(sum(e^z))`: the log-probability of token `i` is `z[i] - log_sum_exp`.
    pub log_sum_exp: f32,
    /// The first index of the largest logit.
    pub argmax: usize,
    /// `-sum(p ln p)`, in nats.
    pub entropy: f32,
}

/// Statistics of one row of logits; `-inf` marks an excluded token.
///
/// # Panics
/// When `row` is empty.
pub fn log_softmax_stats(row: &[f32]) -> LogitStats {
    assert!(!row.is_empty(), "a row of logits has at least one element");
    Level::active().run(Stats(row))
}

/// Replaces `row` by its softmax: `e^(z - max)` divided by their sum.
pub fn softmax_in_place(row: &mut [f32]) {
    if !row.is_empty() {
        Level::active().run(Softmax(row));
    }
}

pub(crate) struct Stats<'a>(pub(crate) &'a [f32]);

impl Kernel for Stats<'_> {
    type Output = LogitStats;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> LogitStats {
        let row = self.0;
        let largest = row_max(s, row);
        let (mut sum, mut weighted) = (0.0_f64, 0.0_f64);
        for stretch in row.chunks(STRETCH) {
            let (a, b) = stretch_sums(s, stretch, largest);
            sum += f64::from(a);
            weighted += f64::from(b);
        }
        let argmax = row.iter().position(|&z| z == largest).unwrap_or(0);
        LogitStats {
            log_sum_exp: (f64::from(largest) + sum.ln()) as f32,
            argmax,
            entropy: (sum.ln() - weighted / sum).max(0.0) as f32,
        }
    }
}

/// `sum(e)` and `sum(e * (z - largest))` with `e = e^(z - largest)`.
#[inline(always)]
fn stretch_sums<S: Simd>(s: S, row: &[f32], largest: f32) -> (f32, f32) {
    let (mut sum, mut weighted) = (s.splat(0.0), s.splat(0.0));
    let top = s.splat(largest);
    let floor = s.splat(-88.0);
    for at in (0..row.len()).step_by(LANES) {
        // Lanes past the end count as -88: their exponential is zero.
        let z = s.max(s.sub(read_or(s, row, at, f32::NEG_INFINITY), top), floor);
        let e = exp(s, z);
        sum = s.add(sum, e);
        weighted = s.fma(e, z, weighted);
    }
    (s.sum(sum), s.sum(weighted))
}

pub(crate) struct Softmax<'a>(pub(crate) &'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let row = self.0;
        let sum = exponentials(s, row);
        let sum = s.splat(sum);
        for at in (0..row.len()).step_by(LANES) {
            let p = s.div(s.read(row, at), sum);
            s.write(row, at, p);
        }
    }
}

/// Replaces `row` by `e^(z - max)` and returns their sum.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(s: S, row: &mut [f32]) -> f32 {
    let top = s.splat(row_max(s, row));
    let mut total = 0.0_f64;
    for row in row.chunks_mut(STRETCH) {
        let mut sum = s.splat(0.0);
        for at in (0..row.len()).step_by(LANES) {
            let e = exp(s, s.sub(read_or(s, row, at, f32::NEG_INFINITY), top));
            s.write(row, at, e);
            sum = s.add(sum, e);
        }
        total += f64::from(s.sum(sum));
    }
    total as f32
}

#[inline(always)]
fn row_max<S: Simd>(s: S, row: &[f32]) -> f32 {
    let mut top = s.splat(f32::NEG_INFINITY);
    for at in (0..row.len()).step_by(LANES) {
        top = s.max(top, read_or(s, row, at, f32::NEG_INFINITY));
    }
    s.largest(top)
}

/// The vector at `row[at..]`, with `filler` past the end.
#[inline(always)]
fn read_or<S: Simd>(s: S, row: &[f32], at: usize, filler: f32) -> S::V {
    if row.len() - at >= LANES {
        return s.read(row, at);
    }
    let mut lanes = [filler; LANES];
    lanes[..row.len() - at].copy_from_slice(&row[at..]);
    s.read(&lanes, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, assert_close};

    fn naive(row: &[f32]) -> (Vec<f64>, f64, f64) {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let e: Vec<f64> = row.iter().map(|&z| f64::from(z - top).exp()).collect();
        let sum: f64 = e.iter().sum();
        let p: Vec<f64> = e.iter().map(|e| e / sum).collect();
        let entropy = -p.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>();
        (p, f64::from(top) + sum.ln(), entropy)
    }

    #[test]
    fn equals_the_formula_for_any_length() {
        for level in Level::supported() {
            for len in [1, 2, 15, 16, 17, 100, 5000, 151_936] {
                let row: Vec<f32> =
                    Random::new(len as u64).floats(len).iter().map(|x| x * 8.0).collect();
                let (p, log_sum_exp, entropy) = naive(&row);
                let stats = level.run(Stats(&row));
                assert!((f64::from(stats.log_sum_exp) - log_sum_exp).abs() < 2e-6 * 20.0);
                assert!((f64::from(stats.entropy) - entropy).abs() < 2e-5, "{level:?} {len}");
                let top = row[stats.argmax];
                assert!(row[..stats.argmax].iter().all(|&z| z < top));
                assert!(row.iter().all(|&z| z <= top));
                let mut soft = row.clone();
                level.run(Softmax(&mut soft));
                assert_close(&soft, &p, 2e-6);
            }
        }
    }

    #[test]
    fn excluded_tokens_have_no_weight() {
        let row = [f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY, 1.0];
        for level in Level::supported() {
            let stats = level.run(Stats(&row));
            assert_eq!(stats.argmax, 1);
            assert!((stats.entropy - 2.0_f32.ln()).abs() < 1e-6);
            assert!((stats.log_sum_exp - 1.0 - 2.0_f32.ln()).abs() < 1e-6);
            let mut soft = row;
            level.run(Softmax(&mut soft));
            assert_eq!(soft, [0.0, 0.5, 0.0, 0.5]);
        }
    }

    #[test]
    fn avx2_and_avx512_agree_to_the_bit() {
        if Level::Avx512.is_supported() {
            let row = Random::new(3).floats(4099);
            assert_eq!(Level::Avx2.run(Stats(&row)), Level::Avx512.run(Stats(&row)));
        }
    }
}
