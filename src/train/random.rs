//! Random numbers without hidden state: every draw is named by what it is for.
//!
//! A [`Stream`] is SplitMix64 started from a mix of a seed and the purpose of the draw (epoch,
//! step, layer ...), so a resumed run draws what the uninterrupted one would have drawn and a
//! checkpoint needs to hold no generator.

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

/// A deterministic stream of numbers (Steele, Lea & Flood 2014, "SplitMix64").
#[derive(Debug, Clone)]
pub struct Stream(u64);

impl Stream {
    /// The stream for one purpose; `place` says which of its many (epoch, step, layer ...).
    pub fn new(seed: u64, purpose: Purpose, place: &[u64]) -> Self {
        Self(derive(seed, purpose, place))
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        finish(self.0)
    }

    /// Uniform in [0, 1) with 24 random bits, exact in f32.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in `0..bound`; `bound` must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// A seed of its own for one purpose and place.
pub fn derive(seed: u64, purpose: Purpose, place: &[u64]) -> u64 {
    let start = finish(seed.wrapping_add(GOLDEN_GAMMA)) ^ purpose as u64;
    place.iter().fold(finish(start), |state, &part| {
        finish(state.wrapping_add(GOLDEN_GAMMA) ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    })
}

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn finish(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_splitmix64() {
        // First outputs for state 1234567, as published with the reference implementation.
        let mut stream = Stream(1_234_567);
        assert_eq!(stream.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(stream.next_u64(), 3_203_168_211_198_807_973);
    }

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
