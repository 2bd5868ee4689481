//! Attention against f64 formulas, and its independence of chunking, neighbours and block tables.

use super::backward::backward_at;
use super::forward::attention_at;
use super::{AttentionShape, SeqRows, attention_packed};
use crate::kv::{BLOCK, KvBlocks};
use crate::level::Level;
use crate::testing::{Random, assert_close};

/// (heads, kv_heads, head_dim)
const SHAPES: [(usize, usize, usize); 6] =
    [(14, 2, 64), (4, 4, 32), (2, 1, 80), (6, 3, 128), (3, 1, 2), (4, 2, 22)];

fn shape((heads, kv_heads, head_dim): (usize, usize, usize)) -> AttentionShape {
    AttentionShape { heads, kv_heads, head_dim, scale: 1.0 / (head_dim as f32).sqrt() }
}

/// One sequence's queries, keys and values, `len` rows.
struct Sequence {
    shape: AttentionShape,
    len: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Sequence {
    fn new(shape: AttentionShape, len: usize, random: &mut Random) -> Self {
        let q: Vec<f32> = random.floats(len * shape.heads * shape.head_dim);
        let q = q.iter().map(|x| x * 3.0).collect();
        let kv = len * shape.kv_heads * shape.head_dim;
        Self { shape, len, q, k: random.floats(kv), v: random.floats(kv) }
    }

    /// Probabilities of row `row` and head `head`.
    fn naive_probabilities(&self, row: usize, head: usize) -> Vec<f64> {
        let AttentionShape { heads, kv_heads, head_dim: d, scale } = self.shape;
        let kv_head = head / (heads / kv_heads);
        let q = &self.q[(row * heads + head) * d..][..d];
        let scores: Vec<f64> = (0..=row)
            .map(|key| {
                let k = &self.k[(key * kv_heads + kv_head) * d..][..d];
                f64::from(scale)
                    * q.iter().zip(k).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum::<f64>()
            })
            .collect();
        let top = scores.iter().copied().fold(f64::MIN, f64::max);
        let e: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.iter().map(|e| e / sum).collect()
    }

    fn naive(&self) -> Vec<f64> {
        let AttentionShape { heads, kv_heads, head_dim: d, .. } = self.shape;
        let mut out = vec![0.0; self.q.len()];
        for row in 0..self.len {
            for head in 0..heads {
                let p = self.naive_probabilities(row, head);
                let v = |key, i| {
                    f64::from(self.v[(key * kv_heads + head / (heads / kv_heads)) * d + i])
                };
                for (i, out) in out[(row * heads + head) * d..][..d].iter_mut().enumerate() {
                    *out = p.iter().enumerate().map(|(key, p)| p * v(key, i)).sum();
                }
            }
        }
        out
    }

    /// dq, dk, dv in f64.
    fn naive_backward(&self, dout: &[f32]) -> [Vec<f64>; 3] {
        let kv_len = self.k.len();
        let mut gradients = [vec![0.0; self.q.len()], vec![0.0; kv_len], vec![0.0; kv_len]];
        for row in 0..self.len {
            for head in 0..self.shape.heads {
                self.naive_row_backward((row, head), dout, &mut gradients);
            }
        }
        gradients
    }

    fn naive_row_backward(
        &self,
        (row, head): (usize, usize),
        dout: &[f32],
        [dq, dk, dv]: &mut [Vec<f64>; 3],
    ) {
        let AttentionShape { heads, kv_heads, head_dim: d, scale } = self.shape;
        let at = (row * heads + head) * d;
        let kv_at = |key| (key * kv_heads + head / (heads / kv_heads)) * d;
        let wide = |x: &[f32], at: usize| f64::from(x[at]);
        let p = self.naive_probabilities(row, head);
        let dp = |key| -> f64 {
            (0..d).map(|i| wide(dout, at + i) * wide(&self.v, kv_at(key) + i)).sum()
        };
        let mean: f64 = p.iter().enumerate().map(|(key, p)| p * dp(key)).sum();
        for (key, p) in p.iter().enumerate() {
            let ds = p * (dp(key) - mean) * f64::from(scale);
            for i in 0..d {
                dq[at + i] += ds * wide(&self.k, kv_at(key) + i);
                dk[kv_at(key) + i] += ds * wide(&self.q, at + i);
                dv[kv_at(key) + i] += p * wide(dout, at + i);
            }
        }
    }
}

/// Writes every sequence to blocks drawn at random and returns the block tables.
fn scattered(sequences: &[Sequence], random: &mut Random) -> (KvBlocks, Vec<Vec<u32>>) {
    let shape = sequences[0].shape;
    let needed: usize = sequences.iter().map(|seq| seq.len.div_ceil(BLOCK)).sum();
    let mut kv = KvBlocks::new(needed + 3, shape.kv_heads, shape.head_dim);
    // What lies in a block from earlier use must not matter, not even when it is no number.
    let slots: Vec<u32> = (0..((needed + 3) * BLOCK) as u32).collect();
    let stale = vec![f32::NAN; slots.len() * shape.kv_heads * shape.head_dim];
    kv.write(&stale, &stale, &slots);
    let mut free = random.permutation(needed + 3);
    let mut tables = Vec::new();
    for seq in sequences {
        let table: Vec<u32> = free.drain(..seq.len.div_ceil(BLOCK)).collect();
        let slots: Vec<u32> = (0..seq.len)
            .map(|row| table[row / BLOCK] * BLOCK as u32 + (row % BLOCK) as u32)
            .collect();
        kv.write(&seq.k, &seq.v, &slots);
        tables.push(table);
    }
    (kv, tables)
}

#[test]
fn equals_the_formula() {
    for level in Level::supported() {
        for dims in SHAPES {
            let mut random = Random::new(dims.2 as u64);
            let seq = Sequence::new(shape(dims), 75, &mut random);
            let (kv, tables) = scattered(std::slice::from_ref(&seq), &mut random);
            let rows = [SeqRows { rows: 0..75, first_position: 0, blocks: &tables[0] }];
            let mut out = vec![f32::NAN; seq.q.len()];
            attention_at(level, seq.shape, &seq.q, &kv, &rows, &mut out);
            assert_close(&out, &seq.naive(), 3e-6);
        }
    }
}

#[test]
fn bits_do_not_depend_on_chunks_neighbours_or_block_tables() {
    for level in Level::supported() {
        for dims in SHAPES {
            let mut random = Random::new(dims.0 as u64);
            let shape = shape(dims);
            let row = shape.heads * shape.head_dim;
            let sequences: Vec<Sequence> =
                [1, 100, 33].iter().map(|&len| Sequence::new(shape, len, &mut random)).collect();
            let (kv, tables) = scattered(&sequences, &mut random);
            let q: Vec<f32> = sequences.iter().flat_map(|seq| seq.q.iter().copied()).collect();
            let mut seqs = Vec::new();
            let mut first = 0;
            for (seq, blocks) in sequences.iter().zip(&tables) {
                seqs.push(SeqRows { rows: first..first + seq.len, first_position: 0, blocks });
                first += seq.len;
            }
            let mut together = vec![0.0; q.len()];
            attention_at(level, shape, &q, &kv, &seqs, &mut together);
            // Every row alone, from blocks in other places.
            let (kv, tables) = scattered(&sequences, &mut random);
            for (seq, blocks) in seqs.iter().zip(&tables) {
                for i in 0..seq.rows.len() {
                    let at = (seq.rows.start + i) * row;
                    let alone = [SeqRows { rows: 0..1, first_position: i, blocks }];
                    let mut out = vec![0.0; row];
                    attention_at(level, shape, &q[at..at + row], &kv, &alone, &mut out);
                    assert_eq!(out, together[at..at + row], "{level:?} {dims:?} row {i}");
                }
            }
        }
    }
}

#[test]
fn avx2_and_avx512_agree_to_the_bit() {
    if !Level::Avx512.is_supported() {
        return;
    }
    for dims in SHAPES {
        let mut random = Random::new(9);
        let seq = Sequence::new(shape(dims), 50, &mut random);
        let (kv, tables) = scattered(std::slice::from_ref(&seq), &mut random);
        let rows = [SeqRows { rows: 0..50, first_position: 0, blocks: &tables[0] }];
        let results = [Level::Avx2, Level::Avx512].map(|level| {
            let mut out = vec![0.0; seq.q.len()];
            attention_at(level, seq.shape, &seq.q, &kv, &rows, &mut out);
            out
        });
        assert_eq!(results[0], results[1]);
    }
}

#[test]
fn packed_has_the_bits_of_paged_and_backward_equals_the_formula() {
    for dims in SHAPES {
        let mut random = Random::new(11);
        let shape = shape(dims);
        let lens = [5, 110, 1];
        let sequences: Vec<Sequence> =
            lens.iter().map(|&len| Sequence::new(shape, len, &mut random)).collect();
        let join = |part: fn(&Sequence) -> &Vec<f32>| -> Vec<f32> {
            sequences.iter().flat_map(|seq| part(seq).iter().copied()).collect()
        };
        let (q, k, v) = (join(|seq| &seq.q), join(|seq| &seq.k), join(|seq| &seq.v));
        let mut out = vec![0.0; q.len()];
        attention_packed(shape, (&q, &k, &v), &lens, &mut out);
        let expected: Vec<f64> = sequences.iter().flat_map(Sequence::naive).collect();
        assert_close(&out, &expected, 3e-6);

        let dout = random.floats(q.len());
        let row = shape.heads * shape.head_dim;
        let mut first = 0;
        let mut expected = [vec![], vec![], vec![]];
        for seq in &sequences {
            let dout = &dout[first * row..(first + seq.len) * row];
            first += seq.len;
            for (all, part) in expected.iter_mut().zip(seq.naive_backward(dout)) {
                all.extend(part);
            }
        }
        let mut of_avx2 = None;
        for level in Level::supported() {
            let mut grads = [vec![9.0; q.len()], vec![9.0; k.len()], vec![9.0; v.len()]];
            let into = grads.each_mut().map(Vec::as_mut_slice);
            backward_at(level, shape, (&q, &k, &v, &dout), &lens, into);
            for (found, expected) in grads.iter().zip(&expected) {
                assert_close(found, expected, 5e-6);
            }
            if level != Level::Portable {
                assert_eq!(*of_avx2.get_or_insert(grads.clone()), grads, "{level:?}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "needs 2 blocks, has 1")]
fn a_short_block_table_is_refused() {
    let kv = KvBlocks::new(4, 1, 2);
    let seqs = [SeqRows { rows: 0..1, first_position: 32, blocks: &[0] }];
    crate::attention(&[0.0; 2], 1, 1.0, &kv, &seqs, &mut [0.0; 2]);
}
