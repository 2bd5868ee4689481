//! Random draws that depend on (seed, position) alone, so that neither batch mates nor
//! preemption nor the order of steps can change them. Not for cryptography.

use splitmix::{GOLDEN_GAMMA, first, mix};

/// A number in `[0, 1)` for one position of one sequence: SplitMix64's output function (Steele,
/// Lea and Flood 2014) applied to the seed, then to the result advanced by the position.
pub(super) fn uniform(seed: u64, position: u64) -> f64 {
    let stream = first(seed);
    let bits = mix(stream.wrapping_add(position.wrapping_add(1).wrapping_mul(GOLDEN_GAMMA)));
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_uniform_over_positions_and_over_seeds() {
        for draw in [|i: u64| uniform(7, i), |i: u64| uniform(i, 7)] {
            let mut bins = [0_u32; 16];
            (0..16_000).for_each(|i| bins[(draw(i) * 16.0) as usize] += 1);
            let chi2: f64 = bins.iter().map(|&n| (f64::from(n) - 1000.0).powi(2) / 1000.0).sum();
            assert!(chi2 < 37.7, "chi-square with 15 degrees of freedom: {chi2}"); // p = 0.001
        }
    }
}
