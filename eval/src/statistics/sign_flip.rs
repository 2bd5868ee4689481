//! The paired permutation test: were the arms equally good, each problem's difference could as well
//! have had the other sign.

use splitmix::SplitMix64;

use super::bootstrap::Draws;

/// Up to this many problems that differ, every choice of signs is looked at.
const EXACT: usize = 14;

/// The two-sided p-value of the mean of `differences` (one a problem): exact for up to 14 problems
/// that differ, from `draws` otherwise, counted as Phipson and Smyth (2010) do so that it is never 0.
/// With differences of -1, 0 and 1 this is McNemar's test.
pub fn sign_flip(differences: &[f64], draws: Draws) -> f64 {
    let moved: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    let seen = moved.iter().sum::<f64>().abs();
    // Sums that differ by rounding alone are the same sum.
    let at_least = seen - 1e-9 * moved.iter().map(|d| d.abs()).sum::<f64>();
    if moved.len() <= EXACT {
        let choices = 1u64 << moved.len();
        let extreme = (0..choices).filter(|&signs| signed(&moved, signs).abs() >= at_least);
        return extreme.count() as f64 / choices as f64;
    }
    let sums = draws.each(moved.len(), |stream| flipped(&moved, stream).abs());
    let extreme = sums.iter().filter(|&&sum| sum >= at_least).count();
    (extreme + 1) as f64 / (sums.len() + 1) as f64
}

/// The sum with the signs that random bits say.
fn flipped(moved: &[f64], stream: &mut SplitMix64) -> f64 {
    moved.chunks(64).map(|chunk| signed(chunk, stream.next_u64())).sum()
}

/// The sum of up to 64 numbers, with a minus where the bit is set.
fn signed(numbers: &[f64], signs: u64) -> f64 {
    let flip = |(at, &number): (usize, &f64)| if signs >> at & 1 == 1 { -number } else { number };
    numbers.iter().enumerate().map(flip).sum()
}
