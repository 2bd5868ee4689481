//! SplitMix64 (Steele, Lea and Flood 2014; constants of Vigna's `splitmix64.c`): the one generator
//! under every seeded draw of the program. Where a stream's state comes from (a seed and an epoch, a
//! position, a name) is for each layer to say. Not for cryptography.

/// What the state grows by at each draw.
pub const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer: a bijection of 64 bits in which every input bit moves every output bit.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The first number of the stream that begins at `state`.
pub fn first(state: u64) -> u64 {
    mix(state.wrapping_add(GOLDEN_GAMMA))
}

/// A stream of numbers from one state.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The stream that begins at `state`.
    pub fn new(state: u64) -> Self {
        Self(state)
    }

    /// Stream number `stream` of `seed`: streams of one seed have nothing in common.
    pub fn stream(seed: u64, stream: u64) -> Self {
        Self(mix(mix(seed).wrapping_add(stream)))
    }

    /// The stream of a name: it begins at the name's FNV-1a hash. `seed` 0 leaves that as published;
    /// another one changes where the hash begins.
    pub fn named(seed: u64, name: &str) -> Self {
        let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, step))
    }

    /// Uniform over all 64-bit numbers.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// Uniform over `0..bound`; `bound` must not be 0. (The bias of the product method is below
    /// bound / 2^64.)
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Puts the items in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // First outputs for state 1234567, as published with the reference implementation.
        let mut stream = SplitMix64::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| stream.next_u64()).collect();
        assert_eq!(first(1_234_567), drawn[0]);
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn a_name_begins_at_its_fnv_1a_hash() {
        // The hash of "foobar", as published with FNV.
        let first = SplitMix64::named(0, "foobar").next_u64();
        assert_eq!(first, SplitMix64::new(0x8594_4171_f739_67e8).next_u64());
        assert_ne!(first, SplitMix64::named(1, "foobar").next_u64());
    }

    #[test]
    fn below_reaches_every_value_evenly() {
        let mut stream = SplitMix64::new(1);
        let mut counts = [0_u32; 7];
        (0..70_000).for_each(|_| counts[stream.below(7)] += 1);
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<usize> = (0..100).collect();
        SplitMix64::new(7).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
