//! One layer's paged keys and values, laid out for [`fn@crate::attention`].

use crate::aligned::Aligned;
use crate::level::Level;
use crate::simd::{Kernel, Simd, turn};

/// Tokens of a block.
pub const BLOCK: usize = 32;

/// Keys `[block][kv_head][head_dim][BLOCK]` and values `[block][kv_head][BLOCK][head_dim]`, f32.
/// Memory is committed by the system as blocks are first written.
#[derive(Debug)]
pub struct KvBlocks {
    blocks: usize,
    kv_heads: usize,
    head_dim: usize,
    keys: Aligned<f32>,
    values: Aligned<f32>,
}

impl KvBlocks {
    /// Room for `blocks` blocks of [`BLOCK`] tokens.
    pub fn new(blocks: usize, kv_heads: usize, head_dim: usize) -> Self {
        let len = blocks * kv_heads * head_dim * BLOCK;
        let (keys, values) = (Aligned::<f32>::zeroed(len), Aligned::<f32>::zeroed(len));
        Self { blocks, kv_heads, head_dim, keys, values }
    }

    /// Blocks there are.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Key/value heads.
    pub fn kv_heads(&self) -> usize {
        self.kv_heads
    }

    /// Elements of a head.
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Bytes that all blocks take once written.
    pub fn bytes(&self) -> usize {
        2 * self.blocks * self.block_len() * size_of::<f32>()
    }

    /// Bytes of one block of keys and values.
    pub fn block_bytes(&self) -> usize {
        2 * self.block_len() * size_of::<f32>()
    }

    /// Stores row `i` of `k` and `v` (`[rows, kv_heads, head_dim]`) at slot
    /// `slots[i] = block * BLOCK + offset`.
    ///
    /// # Panics
    /// When a slot lies outside the blocks, or the slices do not hold one row a slot.
    pub fn write(&mut self, k: &[f32], v: &[f32], slots: &[u32]) {
        let row = self.kv_heads * self.head_dim;
        assert_eq!(k.len(), slots.len() * row, "keys: one row of {row} a slot");
        assert_eq!(v.len(), slots.len() * row, "values: one row of {row} a slot");
        if row == 0 {
            return;
        }
        let mut first = 0;
        while first < slots.len() {
            let (block, offset) = (slots[first] as usize / BLOCK, slots[first] as usize % BLOCK);
            assert!(block < self.blocks, "slot {} of {} blocks", slots[first], self.blocks);
            let run = (slots[first..].iter().zip(slots[first]..))
                .take(BLOCK - offset)
                .take_while(|(slot, next)| *slot == next)
                .count();
            let part = first * row..(first + run) * row;
            self.write_run((block, offset), &k[part.clone()], &v[part]);
            first += run;
        }
    }

    /// Stores rows that follow one another in a block, from `offset` on.
    fn write_run(&mut self, (block, offset): (usize, usize), k: &[f32], v: &[f32]) {
        let (row, d) = (self.kv_heads * self.head_dim, self.head_dim);
        let rows = k.len() / row;
        for head in 0..self.kv_heads {
            let at = (block * row + head * d) * BLOCK;
            let keys = &mut self.keys.as_mut_slice()[at + offset..at + d * BLOCK];
            Level::active().run(TurnKeys { rows, d, k: &k[head * d..], row, keys });
            let values = &mut self.values.as_mut_slice()[at + offset * d..at + BLOCK * d];
            for (value, v) in values.chunks_exact_mut(d).zip(v.chunks_exact(row)) {
                value.copy_from_slice(&v[head * d..(head + 1) * d]);
            }
        }
    }

    fn block_len(&self) -> usize {
        self.kv_heads * self.head_dim * BLOCK
    }

    /// Keys `[head_dim][BLOCK]` of one head of a block.
    #[inline(always)]
    pub(crate) fn keys(&self, block: u32, head: usize) -> &[f32] {
        let len = self.head_dim * BLOCK;
        &self.keys.as_slice()[(block as usize * self.kv_heads + head) * len..][..len]
    }

    /// Values `[BLOCK][head_dim]` of one head of a block.
    #[inline(always)]
    pub(crate) fn values(&self, block: u32, head: usize) -> &[f32] {
        let len = self.head_dim * BLOCK;
        &self.values.as_slice()[(block as usize * self.kv_heads + head) * len..][..len]
    }
}

/// Writes one head of `rows` rows, `row` apart, as columns of `keys [d][BLOCK]`.
struct TurnKeys<'a> {
    rows: usize,
    d: usize,
    k: &'a [f32],
    row: usize,
    keys: &'a mut [f32],
}

impl Kernel for TurnKeys<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        turn(s, (self.rows, self.d), (self.k, self.row), (self.keys, BLOCK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn a_row_lands_in_its_slot() {
        let (heads, d) = (3, 6);
        let mut kv = KvBlocks::new(4, heads, d);
        let mut random = Random::new(1);
        let (k, v) = (random.floats(2 * heads * d), random.floats(2 * heads * d));
        kv.write(&k, &v, &[2 * 32 + 5, 31]);
        for (row, block, offset) in [(0, 2, 5), (1, 0, 31)] {
            for head in 0..heads {
                for i in 0..d {
                    let x = (row * heads + head) * d + i;
                    assert_eq!(kv.keys(block, head)[i * BLOCK + offset], k[x]);
                    assert_eq!(kv.values(block, head)[offset * d + i], v[x]);
                }
            }
        }
        assert!(kv.keys(1, 0).iter().all(|&x| x == 0.0));
        assert_eq!((kv.bytes(), kv.block_bytes()), (2 * 4 * 3 * 6 * 32 * 4, 2 * 3 * 6 * 32 * 4));
    }

    #[test]
    #[should_panic(expected = "slot 64 of 2 blocks")]
    fn a_slot_outside_is_refused() {
        KvBlocks::new(2, 1, 2).write(&[0.0; 2], &[0.0; 2], &[64]);
    }
}
