//! The backward pass of one sequence and key/value head: probabilities are recomputed for a block of
//! rows at a time, and all five products run on the micro-kernels of the forward pass.
//!
//! Sums over keys (`dq`) and over rows (`dk`, `dv`) run in ascending order, one query head after
//! another, so the result repeats to the bit whatever the threads.

use crate::attention::AttentionShape;
use crate::matmul::micro::{Finish, Outputs, multiply};
use crate::matmul::weights::{Inputs, Rows};
use crate::parallel::SharedMut;
use crate::scratch::Scratch;
use crate::simd::{Kernel, LANES, Simd, turn};
use crate::softmax::exponentials;

/// Rows whose probabilities are held at once.
const ROWS: usize = 48;
/// Rows that share one limit of keys.
const STEP: usize = 12;

/// A sequence's `len` rows, from row `first` of the packed inputs on.
#[derive(Clone, Copy)]
pub(crate) struct Sequence<'a> {
    pub(crate) shape: AttentionShape,
    pub(crate) q: &'a [f32],
    pub(crate) k: &'a [f32],
    pub(crate) v: &'a [f32],
    pub(crate) dout: &'a [f32],
    pub(crate) first: usize,
    pub(crate) len: usize,
}

/// Where the gradients go.
#[derive(Clone, Copy)]
pub(crate) struct Gradients {
    pub(crate) dq: SharedMut,
    pub(crate) dk: SharedMut,
    pub(crate) dv: SharedMut,
}

/// One work item: a key/value head of a sequence with its group of query heads.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) sequence: Sequence<'a>,
    pub(crate) kv_head: usize,
    pub(crate) gradients: Gradients,
}

/// Working memory. Heads are padded with zeros to whole vectors (`wide`), keys to `ld`.
struct Work {
    wide: usize,
    ld: usize,
    /// `[len, wide]`.
    keys: Scratch,
    /// `[head_dim, ld]`.
    keys_turned: Scratch,
    values_turned: Scratch,
    /// `[len, wide]`, sums over rows and query heads.
    dk: Scratch,
    dv: Scratch,
    /// `[ROWS, wide]`.
    q: Scratch,
    dout: Scratch,
    dq: Scratch,
    /// `[ROWS, ld]`: P, and dP that becomes dS.
    p: Scratch,
    ds: Scratch,
    /// `[len, ROWS]`: P or dS, turned.
    turned: Scratch,
}

impl Work {
    fn new(len: usize, d: usize) -> Self {
        let wide = d.next_multiple_of(LANES);
        // One line more than the keys, so that rows do not fall on the same cache sets.
        let ld = len.next_multiple_of(LANES) + LANES;
        let mut work = Self {
            wide,
            ld,
            keys: Scratch::take(len * wide),
            keys_turned: Scratch::take(d * ld),
            values_turned: Scratch::take(d * ld),
            dk: Scratch::take(len * wide),
            dv: Scratch::take(len * wide),
            q: Scratch::take(ROWS * wide),
            dout: Scratch::take(ROWS * wide),
            dq: Scratch::take(ROWS * wide),
            p: Scratch::take(ROWS * ld),
            ds: Scratch::take(ROWS * ld),
            turned: Scratch::take(len * ROWS),
        };
        work.dk.fill(0.0);
        work.dv.fill(0.0);
        work
    }
}

impl Kernel for &Head<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let AttentionShape { heads, kv_heads, head_dim: d, .. } = self.sequence.shape;
        let Sequence { k, v, first, len, .. } = self.sequence;
        if len == 0 || d == 0 {
            return;
        }
        let narrow = kv_heads * d;
        let at = first * narrow + self.kv_head * d;
        let mut work = Work::new(len, d);
        gather(&mut work.keys, work.wide, &k[at..], narrow, (len, d));
        turn(s, (len, d), (&k[at..], narrow), (&mut work.keys_turned, work.ld));
        turn(s, (len, d), (&v[at..], narrow), (&mut work.values_turned, work.ld));
        let group = heads / kv_heads;
        for head in self.kv_head * group..(self.kv_head + 1) * group {
            for from in (0..len).step_by(ROWS) {
                Block { of: *self, head, from, count: ROWS.min(len - from) }.run(s, &mut work);
            }
        }
        // SAFETY: this head's columns of these rows belong to this work item alone.
        unsafe {
            scatter(&work.dk, work.wide, self.gradients.dk.ptr().add(at), narrow, (len, d));
            scatter(&work.dv, work.wide, self.gradients.dv.ptr().add(at), narrow, (len, d));
        }
    }
}

/// Copies `shape` rows and columns of `x`, rows `ld` apart, to rows of `wide`, padded with zeros.
fn gather(out: &mut [f32], wide: usize, x: &[f32], ld: usize, (rows, columns): (usize, usize)) {
    for (i, out) in out.chunks_exact_mut(wide).take(rows).enumerate() {
        out[..columns].copy_from_slice(&x[i * ld..i * ld + columns]);
        out[columns..].fill(0.0);
    }
}

/// Copies rows of `wide` to rows `ld` apart.
///
/// # Safety
/// `out` must be writable for `rows` rows of `columns`, `ld` apart, that nobody else touches.
unsafe fn scatter(
    x: &[f32],
    wide: usize,
    out: *mut f32,
    ld: usize,
    (rows, columns): (usize, usize),
) {
    for (i, x) in x.chunks_exact(wide).take(rows).enumerate() {
        // SAFETY: the caller vouches for row `i`.
        let out = unsafe { std::slice::from_raw_parts_mut(out.add(i * ld), columns) };
        out.copy_from_slice(&x[..columns]);
    }
}

/// `count` rows of one query head, from row `from` of the sequence on.
#[derive(Clone, Copy)]
struct Block<'a> {
    of: Head<'a>,
    head: usize,
    from: usize,
    count: usize,
}

impl Block<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, work: &mut Work) {
        let AttentionShape { heads, head_dim: d, .. } = self.of.sequence.shape;
        let (ld, shape) = (heads * d, (self.count, d));
        let at = (self.of.sequence.first + self.from) * ld + self.head * d;
        gather(&mut work.q, work.wide, &self.of.sequence.q[at..], ld, shape);
        gather(&mut work.dout, work.wide, &self.of.sequence.dout[at..], ld, shape);
        self.score_gradients(s, work);
        self.query_gradients(s, work);
        // SAFETY: this head's columns of these rows belong to this work item alone.
        unsafe { scatter(&work.dq, work.wide, self.of.gradients.dq.ptr().add(at), ld, shape) };
        let Work { wide, ld, .. } = *work;
        self.add_turned(s, (&work.p, ld), &mut work.turned, (&work.dout, &mut work.dv), wide);
        self.add_turned(s, (&work.ds, ld), &mut work.turned, (&work.q, &mut work.dk), wide);
    }

    /// Fills `p` with probabilities and `ds` with the gradients of the scaled scores, zero for keys
    /// that a row does not attend to.
    #[inline(always)]
    fn score_gradients<S: Simd>(self, s: S, work: &mut Work) {
        let (d, scale) = (self.of.sequence.shape.head_dim, self.of.sequence.shape.scale);
        let (wide, ld) = (work.wide, work.ld);
        for step in (0..self.count).step_by(STEP) {
            let rows = STEP.min(self.count - step);
            let tiles = (self.from + step + rows).div_ceil(LANES);
            let product = |x: &[f32], w: &[f32], y: &mut [f32], finish| {
                let x = Inputs { at: x[step * wide..].as_ptr(), ld: wide };
                let at = y[step * ld..].as_mut_ptr();
                let y = Outputs { at, ld, columns: tiles * LANES, finish };
                let w = Rows { at: w.as_ptr(), ld };
                // SAFETY: `x` holds `rows` rows of `d` and `w` `d` rows of `ld`, which covers
                // `tiles` tiles, as do the rows of `y`.
                unsafe { multiply(s, (rows, tiles, d), x, w, y) };
            };
            product(&work.q, &work.keys_turned, &mut work.p, Finish::Scale(scale));
            product(&work.dout, &work.values_turned, &mut work.ds, Finish::Store);
            for row in step..step + rows {
                let keys = self.from + row + 1;
                let (p, hidden) = work.p[row * ld..(row + 1) * ld].split_at_mut(keys);
                hidden.fill(0.0);
                let (ds, hidden) = work.ds[row * ld..(row + 1) * ld].split_at_mut(keys);
                hidden.fill(0.0);
                softmax_gradient(s, p, ds, scale);
            }
        }
    }

    /// `dq = dS · K`.
    #[inline(always)]
    fn query_gradients<S: Simd>(self, s: S, work: &mut Work) {
        let (wide, ld) = (work.wide, work.ld);
        for step in (0..self.count).step_by(STEP) {
            let rows = STEP.min(self.count - step);
            let x = Inputs { at: work.ds[step * ld..].as_ptr(), ld };
            let w = Rows { at: work.keys.as_ptr(), ld: wide };
            let at = work.dq[step * wide..].as_mut_ptr();
            let y = Outputs { at, ld: wide, columns: wide, finish: Finish::Store };
            let keys = self.from + step + rows;
            // SAFETY: `ds` holds `keys` gradients of `rows` rows, `keys` as many rows of `wide`, and
            // `dq` `rows` rows of `wide`.
            unsafe { multiply(s, (rows, wide / LANES, keys), x, w, y) };
        }
    }

    /// `y [keys, wide] += xᵀ · w` with `x [count, keys]` and `w [count, wide]`.
    #[inline(always)]
    fn add_turned<S: Simd>(
        self,
        s: S,
        (x, ld): (&[f32], usize),
        turned: &mut [f32],
        (w, y): (&[f32], &mut [f32]),
        wide: usize,
    ) {
        let keys = self.from + self.count;
        turn(s, (self.count, keys), (x, ld), (turned, ROWS));
        let x = Inputs { at: turned.as_ptr(), ld: ROWS };
        let w = Rows { at: w.as_ptr(), ld: wide };
        let y = Outputs { at: y.as_mut_ptr(), ld: wide, columns: wide, finish: Finish::Continue };
        // SAFETY: `turned` holds `keys` rows of `count`, `w` `count` and `y` `keys` rows of `wide`.
        unsafe { multiply(s, (keys, wide / LANES, self.count), x, w, y) };
    }
}

/// Turns scores into probabilities `p`, and `dp` into `p * (dp - sum(p * dp)) * scale`.
#[inline(always)]
fn softmax_gradient<S: Simd>(s: S, p: &mut [f32], dp: &mut [f32], scale: f32) {
    let total = s.splat(exponentials(s, p));
    let mut mean = s.splat(0.0);
    for at in (0..p.len()).step_by(LANES) {
        let probability = s.div(s.read(p, at), total);
        s.write(p, at, probability);
        mean = s.fma(probability, s.read(dp, at), mean);
    }
    let (mean, scale) = (s.splat(s.sum(mean)), s.splat(scale));
    for at in (0..p.len()).step_by(LANES) {
        let weight = s.mul(s.read(p, at), scale);
        s.write(dp, at, s.mul(weight, s.sub(s.read(dp, at), mean)));
    }
}
