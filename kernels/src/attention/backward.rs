//! Gradients of causal attention over packed sequences. Probabilities are recomputed in blocks of
//! rows; the products run on the `gemm` crate, each (sequence, key/value head) on one thread.

use crate::attention::AttentionShape;
use crate::gemm::{Matrix, MatrixMut, Write, product_serial};
use crate::level::Level;
use crate::parallel::{SharedMut, Spread, for_each};
use crate::scratch::Scratch;
use crate::simd::{Kernel, LANES, Simd};
use crate::softmax::Softmax;

/// Rows whose probabilities are held at once.
const ROWS: usize = 64;

/// The gradients of [`crate::attention_packed`], overwriting `dq`, `dk` and `dv`.
///
/// `q`, `dout`, `dq` are `[rows, heads, head_dim]`; `k`, `v`, `dk`, `dv` `[rows, kv_heads,
/// head_dim]`; `lens` are the rows of each sequence, one after another. With `P` the probabilities,
/// `dP = dout · Vᵀ` and `dS = P * (dP - rowsum(P * dP)) * scale`: `dq = dS · K`, `dk = dSᵀ · q` and
/// `dv = Pᵀ · dout`, the last two summed over the query heads of a group in ascending order.
///
/// # Panics
/// When shapes disagree.
#[expect(clippy::too_many_arguments, reason = "three inputs, their gradients and the output's")]
pub fn attention_backward(
    shape: AttentionShape,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    dout: &[f32],
    lens: &[usize],
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
) {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "{heads} query heads share {kv_heads} key/value heads evenly"
    );
    let rows: usize = lens.iter().sum();
    let (wide, narrow) = (rows * heads * head_dim, rows * kv_heads * head_dim);
    assert_eq!([q.len(), dout.len(), dq.len()], [wide; 3], "{rows} rows of {heads} query heads");
    assert_eq!(
        [k.len(), v.len(), dk.len(), dv.len()],
        [narrow; 4],
        "{rows} rows of {kv_heads} heads"
    );
    let inputs = Inputs { q, k, v, dout };
    let outputs =
        Outputs { dq: SharedMut::new(dq), dk: SharedMut::new(dk), dv: SharedMut::new(dv) };
    let mut items = Vec::new();
    let mut first = 0;
    for &len in lens {
        items.extend((0..kv_heads).map(|kv_head| Item { shape, first, len, kv_head }));
        first += len;
    }
    let work: usize = lens.iter().map(|len| len * len * heads * head_dim).sum();
    let level = Level::active();
    for_each(items.len(), Spread::for_work(2 * work), |i| items[i].run(level, inputs, outputs));
}

#[derive(Clone, Copy)]
struct Inputs<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    dout: &'a [f32],
}

#[derive(Clone, Copy)]
struct Outputs {
    dq: SharedMut,
    dk: SharedMut,
    dv: SharedMut,
}

impl Outputs {
    /// Zeroes the parts of `dk` and `dv` that `item` sums into.
    fn clear(self, item: Item) {
        let AttentionShape { kv_heads, head_dim, .. } = item.shape;
        for row in item.first..item.first + item.len {
            let at = (row * kv_heads + item.kv_head) * head_dim;
            for out in [self.dk, self.dv] {
                // SAFETY: this head's columns belong to this work item alone.
                unsafe { std::slice::from_raw_parts_mut(out.ptr().add(at), head_dim) }.fill(0.0);
            }
        }
    }
}

/// One sequence and key/value head.
#[derive(Clone, Copy)]
struct Item {
    shape: AttentionShape,
    first: usize,
    len: usize,
    kv_head: usize,
}

impl Item {
    fn run(self, level: Level, inputs: Inputs, outputs: Outputs) {
        let group = self.shape.heads / self.shape.kv_heads;
        let mut p = Scratch::take(ROWS * self.len);
        let mut dp = Scratch::take(ROWS * self.len);
        outputs.clear(self);
        for head in self.kv_head * group..(self.kv_head + 1) * group {
            for from in (0..self.len).step_by(ROWS) {
                let rows = Rows { item: self, head, from, count: ROWS.min(self.len - from) };
                rows.run(level, inputs, outputs, (&mut p, &mut dp));
            }
        }
    }
}

/// Some rows of one query head.
#[derive(Clone, Copy)]
struct Rows {
    item: Item,
    head: usize,
    from: usize,
    count: usize,
}

impl Rows {
    fn run(self, level: Level, x: Inputs, y: Outputs, (p, dp): (&mut [f32], &mut [f32])) {
        let AttentionShape { heads, kv_heads, head_dim: d, scale } = self.item.shape;
        let (count, keys) = (self.count, self.from + self.count);
        let (wide, narrow) = (heads * d, kv_heads * d);
        let at = (self.item.first + self.from) * wide + self.head * d;
        let kv_at = self.item.first * narrow + self.item.kv_head * d;
        let q = Matrix::new(&x.q[at..], (count, d), wide);
        let dout = Matrix::new(&x.dout[at..], (count, d), wide);
        let k = Matrix::new(&x.k[kv_at..], (keys, d), narrow);
        let v = Matrix::new(&x.v[kv_at..], (keys, d), narrow);

        let view = |p: &mut [f32]| MatrixMut::new(p, (count, keys), keys);
        product_serial(q, k.transposed(), view(p), scale, Write::Overwrite);
        for (row, p) in p.chunks_exact_mut(keys).take(count).enumerate() {
            let (seen, hidden) = p.split_at_mut(self.from + row + 1);
            level.run(Softmax(seen));
            hidden.fill(0.0);
        }
        product_serial(dout, v.transposed(), view(dp), 1.0, Write::Overwrite);
        // SAFETY: these rows of `dq` and this head's columns of `dk` and `dv` belong to this work
        // item alone.
        let (dq, dk, dv) = unsafe {
            let dq = MatrixMut::from_raw(y.dq.ptr().add(at), (count, d), wide);
            let dk = MatrixMut::from_raw(y.dk.ptr().add(kv_at), (keys, d), narrow);
            (dq, dk, MatrixMut::from_raw(y.dv.ptr().add(kv_at), (keys, d), narrow))
        };
        let probabilities = Matrix::new(p, (count, keys), keys);
        product_serial(probabilities.transposed(), dout, dv, 1.0, Write::Accumulate);
        level.run(ScoreGradient { p: &p[..count * keys], dp, keys });
        let ds = Matrix::new(dp, (count, keys), keys);
        product_serial(ds, k, dq, scale, Write::Overwrite);
        product_serial(ds.transposed(), q, dk, scale, Write::Accumulate);
    }
}

/// `dp = p * (dp - sum(p * dp))`, row by row.
struct ScoreGradient<'a> {
    p: &'a [f32],
    dp: &'a mut [f32],
    keys: usize,
}

impl Kernel for ScoreGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (p, dp) in self.p.chunks_exact(self.keys).zip(self.dp.chunks_exact_mut(self.keys)) {
            let mut sum = s.splat(0.0);
            for at in (0..self.keys).step_by(LANES) {
                sum = s.fma(s.read(p, at), s.read(dp, at), sum);
            }
            let sum = s.splat(s.sum(sum));
            for at in (0..self.keys).step_by(LANES) {
                let value = s.mul(s.read(p, at), s.sub(s.read(dp, at), sum));
                s.write(dp, at, value);
            }
        }
    }
}
