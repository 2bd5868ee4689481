//! Random draws that depend on (seed, position) alone, so that neither batch mates nor
//! preemption nor the order of steps can change them. Not for cryptography.

/// A number in `[0, 1)` for one position of one sequence: SplitMix64's output function (Steele,
/// Lea and Flood 2014) applied to the seed, then to the result advanced by the position.
pub(super) fn uniform(seed: u64, position: u64) -> f64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let stream = mix(seed.wrapping_add(GOLDEN));
    let bits = mix(stream.wrapping_add(position.wrapping_add(1).wrapping_mul(GOLDEN)));
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A bijection of 64 bits in which every input bit moves every output bit.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of SplitMix64 from state 1234567, as published with Vigna's `splitmix64.c`.
    #[test]
    fn mix_is_splitmix64() {
        let mut state = 1_234_567_u64;
        let outputs = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973_u64];
        for expected in outputs {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            assert_eq!(mix(state), expected);
        }
    }

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
