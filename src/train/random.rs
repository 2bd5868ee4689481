//! Random numbers without hidden state: every draw is named by what it is for.
//!
//! A [`Stream`] is started from a mix of a seed and the purpose of the draw (epoch,
//! step, layer ...), so a resumed run draws what the uninterrupted one would have drawn and a
//! checkpoint needs to hold no generator.

use splitmix::{GOLDEN_GAMMA, SplitMix64, mix};

/// Separates the uses of one seed, so that no two share a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The order of examples in an epoch.
    Shuffle = 1,
    /// Which examples are held out for evaluation.
    Split = 2,
    /// The start values of adapter weights.
    Init = 3,
    /// Which inputs LoRA dropout zeroes.
    Dropout = 4,
}

/// A deterministic stream of numbers.
#[derive(Debug, Clone)]
pub struct Stream(SplitMix64);

impl Stream {
    /// The stream for one purpose; `place` says which of its many (epoch, step, layer ...).
    pub fn new(seed: u64, purpose: Purpose, place: &[u64]) -> Self {
        Self(SplitMix64::new(derive(seed, purpose, place)))
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1) with 24 random bits, exact in f32.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }
}

/// A seed of its own for one purpose and place.
pub fn derive(seed: u64, purpose: Purpose, place: &[u64]) -> u64 {
    let start = mix(seed.wrapping_add(GOLDEN_GAMMA)) ^ purpose as u64;
    place.iter().fold(mix(start), |state, &part| {
        mix(state.wrapping_add(GOLDEN_GAMMA) ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffles_to_a_permutation_that_depends_on_the_place() {
        let order = |epoch| {
            let mut items: Vec<usize> = (0..100).collect();
            Stream::new(7, Purpose::Shuffle, &[epoch]).shuffle(&mut items);
            items
        };
        assert_eq!(order(0), order(0));
        assert_ne!(order(0), order(1));
        let mut sorted = order(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn uniform_has_the_right_mean_and_range() {
        let mut stream = Stream::new(1, Purpose::Init, &[]);
        let draws: Vec<f32> = (0..10_000).map(|_| stream.uniform()).collect();
        assert!(draws.iter().all(|&u| (0.0..1.0).contains(&u)));
        let mean = draws.iter().sum::<f32>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }
}
