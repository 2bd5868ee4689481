//! Sixteen sub-blocks side by side, one a lane: every search runs over all of them at once and
//! yet computes in each lane exactly what it would compute for that sub-block alone.

use crate::simd::{LANES, Simd};

/// Values of the largest tile: sixteen sub-blocks of 32.
pub(super) const TILE: usize = 512;

/// What is quantized: rows of `columns` values, and how much each column matters.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) values: &'a [f32],
    pub(super) columns: usize,
    pub(super) importance: Option<&'a [f32]>,
}

/// `values` holds up to sixteen sub-blocks of `N` values; vector `i` gets value `i` of each, and
/// zeros in the lanes that have no sub-block.
#[inline(always)]
pub(super) fn load<S: Simd, const N: usize>(s: S, values: &[f32]) -> [S::V; N] {
    let mut tile = [s.splat(0.0); N];
    for part in (0..N).step_by(LANES) {
        let mut rows = [s.splat(0.0); LANES];
        for (lane, row) in rows.iter_mut().enumerate().take(values.len() / N) {
            *row = s.read(values, lane * N + part);
        }
        tile[part..part + LANES].copy_from_slice(&s.transpose(rows));
    }
    tile
}

/// The low bytes of the codes, sub-block after sub-block, to `out[..16 * N]`.
#[inline(always)]
pub(super) fn store_codes<S: Simd, const N: usize>(s: S, codes: &[S::V; N], out: &mut [u8; TILE]) {
    for part in (0..N).step_by(LANES) {
        let mut rows = [s.splat(0.0); LANES];
        rows.copy_from_slice(&codes[part..part + LANES]);
        for (lane, row) in s.transpose(rows).into_iter().enumerate() {
            s.write_bytes(out, lane * N + part, row);
        }
    }
}

/// The importance of the columns under a tile that begins at value `start` of the input.
#[inline(always)]
pub(super) fn load_importance<S: Simd, const N: usize>(
    s: S,
    importance: &[f32],
    start: usize,
) -> [S::V; N] {
    let mut values = [0.0; TILE];
    let mut column = start % importance.len();
    let mut at = 0;
    while at < LANES * N {
        let take = (importance.len() - column).min(LANES * N - at);
        values[at..at + take].copy_from_slice(&importance[column..column + take]);
        (at, column) = (at + take, 0);
    }
    load(s, &values[..LANES * N])
}

/// `factor * sum(x²) / len` for each `len` values, summed in their order.
#[inline(always)]
pub(super) fn mean_squares<S: Simd>(s: S, values: &[f32], len: usize, factor: f32) -> Vec<f32> {
    let chunks = values.len() / len;
    let mut means = vec![0.0; chunks];
    for first in (0..chunks).step_by(LANES) {
        let mut sum = s.splat(0.0);
        for part in (0..len).step_by(LANES) {
            let mut rows = [s.splat(0.0); LANES];
            for (lane, row) in rows.iter_mut().enumerate().take(chunks - first) {
                *row = s.read(values, (first + lane) * len + part);
            }
            for x in s.transpose(rows) {
                sum = s.add(sum, s.mul(x, x));
            }
        }
        let mean = s.div(s.mul(s.splat(factor), sum), s.splat(len as f32));
        s.write(&mut means, first, mean);
    }
    means
}

/// The mean of each lane's sub-block, when means are kept for every `len` values: lane `j` is
/// that of value `start + j * n`.
#[inline(always)]
pub(super) fn spread<S: Simd>(s: S, means: &[f32], len: usize, start: usize, n: usize) -> S::V {
    let mut lanes = [0.0; LANES];
    for (lane, mean) in lanes.iter_mut().enumerate() {
        *mean = means.get((start + lane * n) / len).copied().unwrap_or(0.0);
    }
    s.read(&lanes, 0)
}

/// `importance * sqrt(mean + x²)`: what an error costs at each value.
#[inline(always)]
pub(super) fn weigh<S: Simd, const N: usize>(
    s: S,
    importance: &[S::V; N],
    x: &[S::V; N],
    mean: S::V,
) -> [S::V; N] {
    let mut weights = *importance;
    for i in 0..N {
        weights[i] = s.mul(importance[i], s.sqrt(s.add(mean, s.mul(x[i], x[i]))));
    }
    weights
}

/// Each lane's sum, in order.
#[inline(always)]
pub(super) fn sum<S: Simd, const N: usize>(s: S, x: &[S::V; N]) -> S::V {
    let mut sum = s.splat(0.0);
    for &x in x {
        sum = s.add(sum, x);
    }
    sum
}

#[inline(always)]
pub(super) fn abs<S: Simd>(s: S, x: S::V) -> S::V {
    s.max(x, s.sub(s.splat(0.0), x))
}

/// `zero` in lanes where `x` is zero of either sign, else `other` (for NaN too).
#[inline(always)]
pub(super) fn if_zero<S: Simd>(s: S, x: S::V, zero: S::V, other: S::V) -> S::V {
    s.select_lt(abs(s, x), s.splat(f32::from_bits(1)), zero, other)
}
