//! The searches for a sub-block's scale (and minimum) that cost the least weighted error, over
//! sixteen sub-blocks at once, each in its lane. The formulas and their order of operations are
//! ggml's (`ggml-quants.c`: `make_qkx2_quants` and `make_qkx3_quants`, which agree where both are
//! defined, and `make_qx_quants`), every product and sum rounded on its own.

use super::tile::{abs, if_zero};
use crate::simd::Simd;

/// Below this a sub-block counts as zero (ggml's `GROUP_MAX_EPS`).
pub(super) const TINY: f32 = 1e-15;

/// Tenths of a code by which [`symmetric`] moves the code of the extreme value.
pub(super) const STEPS: [i8; 18] = [-9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// The codes and the inverse scales that [`affine`] tries.
pub(super) struct Grid {
    /// The largest code.
    pub(super) top: f32,
    /// The first inverse scale is that of `top + start` codes over the range.
    pub(super) start: f32,
    /// From one inverse scale to the next.
    pub(super) step: f32,
    /// How many follow the first.
    pub(super) steps: u8,
}

/// The grid of the searches that an importance steers.
pub(super) fn fine_grid(top: f32) -> Grid {
    Grid { top, start: -0.9, step: 0.05, steps: 36 }
}

#[inline(always)]
fn clamp<S: Simd>(s: S, x: S::V, low: f32, high: f32) -> S::V {
    s.max(s.splat(low), s.min(s.splat(high), x))
}

/// The integer nearest to `x`, within `low..=high`.
#[inline(always)]
pub(super) fn code<S: Simd>(s: S, x: S::V, low: f32, high: f32) -> S::V {
    clamp(s, s.nearest(x), low, high)
}

/// The weighted error of `scale * codes + low` as an approximation of `x`: of squares, or of
/// magnitudes when `MAGNITUDES`.
#[inline(always)]
fn error<S: Simd, const N: usize, const MAGNITUDES: bool>(
    s: S,
    (x, weights): (&[S::V; N], &[S::V; N]),
    codes: &[S::V; N],
    (scale, low): (S::V, S::V),
) -> S::V {
    let mut error = s.splat(0.0);
    for i in 0..N {
        let difference = s.sub(s.add(s.mul(scale, codes[i]), low), x[i]);
        let size = if MAGNITUDES { abs(s, difference) } else { s.mul(difference, difference) };
        error = s.add(error, s.mul(weights[i], size));
    }
    error
}

/// Fits `x ≈ scale * code - minimum` with codes `0..=top` and `minimum >= 0`: for each inverse
/// scale of the grid the codes it gives, for those the scale and minimum of least squares, kept
/// when their error is the least so far. Returns (scale, minimum) and writes the codes.
#[inline(always)]
pub(super) fn affine<S: Simd, const N: usize, const MAGNITUDES: bool>(
    s: S,
    (x, weights): (&[S::V; N], &[S::V; N]),
    grid: &Grid,
    codes: &mut [S::V; N],
) -> (S::V, S::V) {
    let zero = s.splat(0.0);
    let (mut low, mut high) = (x[0], x[0]);
    let mut sum_w = weights[0];
    let mut sum_x = s.mul(sum_w, x[0]);
    for i in 1..N {
        low = s.min(x[i], low);
        high = s.max(x[i], high);
        sum_w = s.add(sum_w, weights[i]);
        sum_x = s.add(sum_x, s.mul(weights[i], x[i]));
    }
    low = s.min(zero, low);
    let flat = low;
    // The codes of the best so far are those of `inverse * (x - origin)`; `low`, the minimum that
    // fitted them best, is where the next candidates start from.
    let mut origin = low;
    let mut inverse = s.div(s.splat(grid.top), s.sub(high, low));
    let mut scale = s.div(s.splat(1.0), inverse);
    for i in 0..N {
        codes[i] = code(s, s.mul(inverse, s.sub(x[i], low)), 0.0, grid.top);
    }
    let mut least = error::<S, N, MAGNITUDES>(s, (x, weights), codes, (scale, low));
    for step in 0..=grid.steps {
        let tops = grid.start + grid.step * f32::from(step) + grid.top;
        let candidate = s.div(s.splat(tops), s.sub(high, low));
        let (mut sum_l, mut sum_l2, mut sum_xl) = (zero, zero, zero);
        for i in 0..N {
            let l = code(s, s.mul(candidate, s.sub(x[i], low)), 0.0, grid.top);
            let wl = s.mul(weights[i], l);
            sum_l = s.add(sum_l, wl);
            sum_l2 = s.add(sum_l2, s.mul(wl, l));
            sum_xl = s.add(sum_xl, s.mul(wl, x[i]));
            codes[i] = l;
        }
        let (slope, offset) = least_squares(s, (sum_w, sum_x), (sum_l, sum_l2, sum_xl));
        let cost = error::<S, N, MAGNITUDES>(s, (x, weights), codes, (slope, offset));
        let det = s.sub(s.mul(sum_w, sum_l2), s.mul(sum_l, sum_l));
        let cost = s.select_lt(zero, det, cost, s.splat(f32::INFINITY));
        inverse = s.select_lt(cost, least, candidate, inverse);
        origin = s.select_lt(cost, least, low, origin);
        scale = s.select_lt(cost, least, slope, scale);
        low = s.select_lt(cost, least, offset, low);
        least = s.select_lt(cost, least, cost, least);
    }
    for i in 0..N {
        let l = code(s, s.mul(inverse, s.sub(x[i], origin)), 0.0, grid.top);
        codes[i] = s.select_lt(flat, high, l, zero);
    }
    // A sub-block of one value at or below zero is all minimum.
    let minimum = s.select_lt(flat, high, low, flat);
    (s.select_lt(flat, high, scale, zero), s.mul(minimum, s.splat(-1.0)))
}

/// The slope and the offset, at most zero, of weighted least squares: from the sums of the
/// weights and of weight * x, and those of weight * code, weight * code² and weight * code * x.
#[inline(always)]
fn least_squares<S: Simd>(
    s: S,
    (sum_w, sum_x): (S::V, S::V),
    (sum_l, sum_l2, sum_xl): (S::V, S::V, S::V),
) -> (S::V, S::V) {
    let zero = s.splat(0.0);
    let det = s.sub(s.mul(sum_w, sum_l2), s.mul(sum_l, sum_l));
    let slope = s.div(s.sub(s.mul(sum_w, sum_xl), s.mul(sum_x, sum_l)), det);
    let offset = s.div(s.sub(s.mul(sum_l2, sum_x), s.mul(sum_l, sum_xl)), det);
    (s.select_lt(zero, offset, s.div(sum_xl, sum_l2), slope), s.min(zero, offset))
}

/// The value of the largest magnitude, the first of several, and that magnitude.
#[inline(always)]
pub(super) fn extreme<S: Simd, const N: usize>(s: S, x: &[S::V; N]) -> (S::V, S::V) {
    let (mut extreme, mut size) = (s.splat(0.0), s.splat(0.0));
    for &x in x {
        let magnitude = abs(s, x);
        extreme = s.select_lt(size, magnitude, x, extreme);
        size = s.max(magnitude, size);
    }
    (extreme, size)
}

/// Fits `x ≈ scale * code` with codes `-top..top`: the scale of least squares for the codes of
/// nineteen inverse scales around that which puts the extreme value on `-top`. Returns the scale
/// and writes the codes, shifted to `0..2 * top`.
#[inline(always)]
pub(super) fn symmetric<S: Simd, const N: usize>(
    s: S,
    (x, weights): (&[S::V; N], &[S::V; N]),
    top: f32,
    codes: &mut [S::V; N],
) -> S::V {
    let zero = s.splat(0.0);
    let (extreme, size) = extreme(s, x);
    let mut weighted = *x;
    for i in 0..N {
        weighted[i] = s.mul(weights[i], x[i]);
    }
    let mut inverse = s.div(s.splat(-top), extreme);
    let (sum_xl, sum_l2) = symmetric_sums(s, (x, weights), &weighted, (inverse, top));
    let mut scale = if_zero(s, sum_l2, zero, s.div(sum_xl, sum_l2));
    let mut best = s.mul(scale, sum_xl);
    for step in STEPS {
        let tops = top + 0.1 * f32::from(step);
        let candidate = s.div(s.splat(-tops), extreme);
        let (sum_xl, sum_l2) = symmetric_sums(s, (x, weights), &weighted, (candidate, top));
        let (gain, bound) = (s.mul(sum_xl, sum_xl), s.mul(best, sum_l2));
        // Better only where the sum of squares is above zero; infinity is never below itself.
        let bound = s.select_lt(zero, sum_l2, bound, s.splat(f32::INFINITY));
        let new = s.div(sum_xl, sum_l2);
        inverse = s.select_lt(bound, gain, candidate, inverse);
        scale = s.select_lt(bound, gain, new, scale);
        best = s.select_lt(bound, gain, s.mul(new, sum_xl), best);
    }
    let tiny = s.splat(TINY);
    for i in 0..N {
        let l = code(s, s.mul(inverse, x[i]), -top, top - 1.0);
        codes[i] = s.select_lt(size, tiny, zero, s.add(s.splat(top), l));
    }
    s.select_lt(size, tiny, zero, scale)
}

/// `sum(weight * x * code)` and `sum(weight * code²)` for the codes of one inverse scale.
#[inline(always)]
fn symmetric_sums<S: Simd, const N: usize>(
    s: S,
    (x, weights): (&[S::V; N], &[S::V; N]),
    weighted: &[S::V; N],
    (inverse, top): (S::V, f32),
) -> (S::V, S::V) {
    let (mut sum_xl, mut sum_l2) = (s.splat(0.0), s.splat(0.0));
    for i in 0..N {
        let l = code(s, s.mul(inverse, x[i]), -top, top - 1.0);
        sum_xl = s.add(sum_xl, s.mul(weighted[i], l));
        sum_l2 = s.add(sum_l2, s.mul(s.mul(weights[i], l), l));
    }
    (sum_xl, sum_l2)
}
