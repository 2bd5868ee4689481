//! Attention over paged keys and values. A block of up to twelve (row, head) pairs that share a
//! key/value head reads each key and value once; scores of all its keys are kept, then their
//! softmax, then the weighted values. Every sum runs over keys (or elements) in ascending order, so
//! a row's bits do not depend on its neighbours, the chunking or the block table.

use std::ops::Range;

use crate::attention::AttentionShape;
use crate::kv::{BLOCK, KvBlocks};
use crate::level::Level;
use crate::matmul::micro::{Finish, Outputs, multiply};
use crate::matmul::weights::{Inputs, Rows};
use crate::parallel::{SharedMut, Spread, for_each};
use crate::scratch::Scratch;
use crate::simd::{Kernel, LANES, Simd};
use crate::softmax::exponentials;

/// (row, head) pairs of one work item.
const CHUNK: usize = 96;

/// The rows of one sequence in a step: row `rows.start + i` sits at position `first_position + i`
/// and attends to positions `0..=first_position + i`, all of them written to `blocks`.
pub struct SeqRows<'a> {
    /// Rows of the batch.
    pub rows: Range<usize>,
    /// Position of the first row in its sequence.
    pub first_position: usize,
    /// The sequence's blocks in order; positions `32 b .. 32 b + 31` lie in `blocks[b]`.
    pub blocks: &'a [u32],
}

/// `out = softmax(scale * q · Kᵀ) · V`, causal, for `q` and `out` `[rows, heads, head_dim]`.
/// Rows of no sequence are left as they are.
///
/// # Panics
/// When shapes disagree, sequences are not in ascending order of rows without overlap, or a block
/// table is too short or names a block that does not exist.
pub fn attention(
    q: &[f32],
    heads: usize,
    scale: f32,
    kv: &KvBlocks,
    seqs: &[SeqRows],
    out: &mut [f32],
) {
    let shape = AttentionShape { heads, kv_heads: kv.kv_heads(), head_dim: kv.head_dim(), scale };
    attention_at(Level::active(), shape, q, kv, seqs, out);
}

/// [`attention`] over whole sequences that lie one after another (`lens` rows each), with their
/// keys and values `[rows, kv_heads, head_dim]` at hand: the same bits as through pages.
///
/// # Panics
/// When shapes disagree.
pub fn attention_packed(
    shape: AttentionShape,
    (q, k, v): (&[f32], &[f32], &[f32]),
    lens: &[usize],
    out: &mut [f32],
) {
    let blocks: usize = lens.iter().map(|len| len.div_ceil(BLOCK)).sum();
    let table: Vec<u32> = (0..blocks as u32).collect();
    let mut kv = KvBlocks::new(blocks, shape.kv_heads, shape.head_dim);
    let (mut row, mut block) = (0, 0);
    let (mut slots, mut seqs) = (Vec::new(), Vec::new());
    for &len in lens {
        slots.extend((block * BLOCK..block * BLOCK + len).map(|slot| slot as u32));
        let blocks = &table[block..block + len.div_ceil(BLOCK)];
        seqs.push(SeqRows { rows: row..row + len, first_position: 0, blocks });
        row += len;
        block += blocks.len();
    }
    kv.write(k, v, &slots);
    attention_at(Level::active(), shape, q, &kv, &seqs, out);
}

pub(crate) fn attention_at(
    level: Level,
    shape: AttentionShape,
    q: &[f32],
    kv: &KvBlocks,
    seqs: &[SeqRows],
    out: &mut [f32],
) {
    check(shape, q.len(), out.len(), kv, seqs);
    let group = shape.heads / shape.kv_heads.max(1);
    let mut items = Vec::new();
    let mut work = 0;
    let out = SharedMut::new(out);
    for seq in seqs {
        let pairs = seq.rows.len() * group;
        work += pairs * (seq.first_position + seq.rows.len()) * shape.head_dim * shape.kv_heads;
        for kv_head in 0..shape.kv_heads {
            for first in (0..pairs).step_by(CHUNK) {
                let pairs = first..pairs.min(first + CHUNK);
                items.push(Item { shape, group, q, kv, seq, kv_head, pairs, out });
            }
        }
    }
    for_each(items.len(), Spread::for_work(2 * work), |i| level.run(&items[i]));
}

fn check(shape: AttentionShape, q: usize, out: usize, kv: &KvBlocks, seqs: &[SeqRows]) {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "{heads} query heads share {kv_heads} key/value heads evenly"
    );
    assert_eq!(q, out, "queries and outputs have one length");
    let mut free = 0;
    for SeqRows { rows, first_position, blocks } in seqs {
        assert!(rows.start >= free && rows.start <= rows.end, "sequences ascend, without overlap");
        free = rows.end;
        let needed = (first_position + rows.len()).div_ceil(BLOCK);
        assert!(blocks.len() >= needed, "a sequence needs {needed} blocks, has {}", blocks.len());
        let there = blocks[..needed].iter().all(|&block| (block as usize) < kv.blocks());
        assert!(there, "a block table names a block beyond the {} there are", kv.blocks());
    }
    assert!(q >= free * heads * head_dim, "{free} rows of {heads} heads of {head_dim}");
}

/// Some (row, head) pairs of one sequence and key/value head; pair `i` is row `i / group`.
struct Item<'a> {
    shape: AttentionShape,
    group: usize,
    q: &'a [f32],
    kv: &'a KvBlocks,
    seq: &'a SeqRows<'a>,
    kv_head: usize,
    pairs: Range<usize>,
    out: SharedMut,
}

impl Kernel for &Item<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.shape.head_dim;
        let last = (self.pairs.end - 1) / self.group;
        let longest = (self.seq.first_position + last + 1).next_multiple_of(BLOCK);
        // One line more than the keys, so that rows do not fall on the same cache sets.
        let ld = longest + LANES;
        let mut scores = Scratch::take(S::ROWS * ld);
        let mut queries = Scratch::take(S::ROWS * d);
        let mut sums = Scratch::take(S::ROWS * d);
        for first in self.pairs.clone().step_by(S::ROWS) {
            let rows = S::ROWS.min(self.pairs.end - first);
            let block = Block { item: self, first, rows, ld };
            block.scores(s, &mut queries, &mut scores);
            block.values(s, &mut scores, &mut sums);
        }
    }
}

impl Item<'_> {
    /// Where pair `i`'s head lies in `q` and `out`.
    #[inline(always)]
    fn head_at(&self, pair: usize) -> usize {
        let row = self.seq.rows.start + pair / self.group;
        let head = self.kv_head * self.group + pair % self.group;
        (row * self.shape.heads + head) * self.shape.head_dim
    }

    /// Keys that pair `i` attends to.
    #[inline(always)]
    fn keys_of(&self, pair: usize) -> usize {
        self.seq.first_position + pair / self.group + 1
    }
}

/// Up to [`Simd::ROWS`] pairs; row `r` of the scores is `scores[r * ld..]`.
#[derive(Clone, Copy)]
struct Block<'a> {
    item: &'a Item<'a>,
    first: usize,
    rows: usize,
    ld: usize,
}

impl Block<'_> {
    /// Keys that the block's last pair attends to.
    #[inline(always)]
    fn keys(self) -> usize {
        self.item.keys_of(self.first + self.rows - 1)
    }

    #[inline(always)]
    fn scores<S: Simd>(self, s: S, queries: &mut [f32], scores: &mut [f32]) {
        let d = self.item.shape.head_dim;
        for r in 0..self.rows {
            let q = &self.item.q[self.item.head_at(self.first + r)..][..d];
            queries[r * d..(r + 1) * d].copy_from_slice(q);
        }
        let x = Inputs { at: queries.as_ptr(), ld: d };
        let finish = Finish::Scale(self.item.shape.scale);
        for block in 0..self.keys().div_ceil(BLOCK) {
            let keys = self.item.kv.keys(self.item.seq.blocks[block], self.item.kv_head);
            let keys = Rows { at: keys.as_ptr(), ld: BLOCK };
            let at = scores[block * BLOCK..].as_mut_ptr();
            let y = Outputs { at, ld: self.ld, columns: BLOCK, finish };
            // SAFETY: `queries` holds `d` inputs of `rows` rows, a block of keys `d` rows of 32,
            // and `scores` `rows` rows of `ld`, which covers all blocks.
            unsafe { multiply(s, (self.rows, BLOCK / LANES, d), x, keys, y) };
        }
    }

    #[inline(always)]
    fn values<S: Simd>(self, s: S, scores: &mut [f32], sums: &mut [f32]) {
        let (d, keys) = (self.item.shape.head_dim, self.keys());
        let mut totals = [0.0; 16];
        for r in 0..self.rows {
            let row = &mut scores[r * self.ld..][..keys.next_multiple_of(BLOCK)];
            row[self.item.keys_of(self.first + r)..].fill(f32::NEG_INFINITY);
            totals[r] = exponentials(s, row);
        }
        sums[..self.rows * d].fill(0.0);
        for (block, start) in (0..keys).step_by(BLOCK).enumerate() {
            let x = Inputs { at: scores[start..].as_ptr(), ld: self.ld };
            let values = self.item.kv.values(self.item.seq.blocks[block], self.item.kv_head);
            self.add_values(s, x, (values, BLOCK.min(keys - start)), sums);
        }
        for r in 0..self.rows {
            let total = s.splat(totals[r]);
            let at = self.item.out.ptr().wrapping_add(self.item.head_at(self.first + r));
            // SAFETY: each pair's head of `out` belongs to this work item alone.
            let out = unsafe { std::slice::from_raw_parts_mut(at, d) };
            for i in (0..d).step_by(LANES) {
                s.write(out, i, s.div(s.read(&sums[r * d..(r + 1) * d], i), total));
            }
        }
    }

    /// `sums [rows, d] += x · values` over the first `keys` keys of a block.
    #[inline(always)]
    fn add_values<S: Simd>(
        self,
        s: S,
        x: Inputs,
        (values, keys): (&[f32], usize),
        sums: &mut [f32],
    ) {
        let d = self.item.shape.head_dim;
        let y = Outputs { at: sums.as_mut_ptr(), ld: d, columns: d, finish: Finish::Continue };
        let w = Rows { at: values.as_ptr(), ld: d };
        // SAFETY: `x` holds `rows` rows of at least `keys` probabilities, `values` `keys` rows and
        // `sums` `rows` rows of `d`, of which only whole tiles are used.
        unsafe { multiply(s, (self.rows, d / LANES, keys), x, w, y) };
        if !d.is_multiple_of(LANES) {
            self.add_tail(s, x, (values, keys), sums);
        }
    }

    /// As [`Block::add_values`] for the last elements of a head that is no multiple of 16.
    #[inline(always)]
    fn add_tail<S: Simd>(self, s: S, x: Inputs, (values, keys): (&[f32], usize), sums: &mut [f32]) {
        let d = self.item.shape.head_dim;
        let from = d / LANES * LANES;
        for r in 0..self.rows {
            let sums = &mut sums[r * d + from..(r + 1) * d];
            let mut acc = s.read(sums, 0);
            for key in 0..keys {
                // SAFETY: `x` holds `rows` rows of at least `keys` probabilities.
                let p = s.splat(unsafe { *x.at.add(r * x.ld + key) });
                acc = s.fma(p, s.read(&values[key * d + from..(key + 1) * d], 0), acc);
            }
            s.write(sums, 0, acc);
        }
    }
}
