//! Reproducible random weights and prompts. Not for sampling tokens: that is the engine's.

use splitmix::SplitMix64;

/// A generator whose streams are told apart by seed and name.
#[derive(Debug, Clone)]
pub(super) struct Random(SplitMix64);

impl Random {
    /// The stream of `seed` for the thing called `name`, so that tensors do not depend on the order
    /// in which they are made.
    pub(super) fn named(seed: u64, name: &str) -> Self {
        Self(SplitMix64::named(seed, name))
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Nearly normal, mean 0, standard deviation 1, never beyond 3.5: the sum of four uniform
    /// 16-bit parts of one draw. Quick, which matters for half a billion weights.
    pub(super) fn normal(&mut self) -> f32 {
        /// Standard deviation of the sum of four uniform numbers from 0 to 65535.
        const DEVIATION: f32 = 37_837.23;
        let bits = self.next_u64();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        (sum as f32 - 131_070.0) / DEVIATION
    }

    /// Token ids below `vocab`.
    pub(super) fn ids(&mut self, count: usize, vocab: usize) -> Vec<u32> {
        let vocab = vocab.max(1) as u64;
        // Below the vocabulary's size, which is a u32.
        (0..count).map(|_| (self.next_u64() % vocab) as u32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut random = Random::named(1, "weights");
        let draws: Vec<f64> = (0..100_000).map(|_| f64::from(random.normal())).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        // Five standard errors.
        assert!(mean.abs() < 0.016, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        assert!(draws.iter().all(|x| x.abs() < 3.5));
    }

    #[test]
    fn streams_depend_on_seed_and_name_alone() {
        let draw = |seed, name| Random::named(seed, name).next_u64();
        assert_eq!(draw(3, "a"), draw(3, "a"));
        assert_ne!(draw(3, "a"), draw(3, "b"));
        assert_ne!(draw(3, "a"), draw(4, "a"));
        assert!(Random::named(0, "p").ids(1000, 7).iter().all(|&id| id < 7));
    }
}
