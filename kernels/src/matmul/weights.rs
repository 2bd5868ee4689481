//! What the micro-kernel multiplies: rows of inputs, and weights in three layouts.

use crate::simd::{LANES, Simd};

/// Rows of inputs: row `r`'s input `i` is at `at + r * ld + i`.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    pub(crate) at: *const f32,
    pub(crate) ld: usize,
}

impl Inputs {
    /// The rows from `row` on.
    #[inline(always)]
    pub(crate) fn skip(self, row: usize) -> Self {
        Self { at: self.at.wrapping_add(row * self.ld), ..self }
    }
}

/// Weights in tiles of sixteen outputs.
pub(crate) trait Weights: Copy {
    /// The tiles from the `count`-th on.
    fn skip(self, count: usize) -> Self;

    /// Adds the products of inputs `0..k`, in this order, to every accumulator.
    ///
    /// # Safety
    /// `x` must be readable for `k` inputs of `M` rows and `self` for `k` inputs of `NT` tiles.
    unsafe fn accumulate<S: Simd, const M: usize, const NT: usize>(
        self,
        s: S,
        k: usize,
        x: Inputs,
        acc: &mut [[S::V; NT]; M],
    );
}

/// A packed f32 weight: output `l` of tile `t` and input `i` at `t * tile + i * 16 + l`.
#[derive(Clone, Copy)]
pub(crate) struct F32Tiles {
    pub(crate) at: *const f32,
    pub(crate) tile: usize,
}

/// A packed bf16 weight: output `l` of tile `t` and input `i` at
/// `t * tile + (i / 2) * 32 + 2 l + i % 2`.
#[derive(Clone, Copy)]
pub(crate) struct Bf16Tiles {
    pub(crate) at: *const u16,
    pub(crate) tile: usize,
}

/// A row-major matrix, a row for each input: output `l` of tile `t` and input `i` at
/// `i * ld + t * 16 + l`.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) at: *const f32,
    pub(crate) ld: usize,
}

impl Weights for F32Tiles {
    #[inline(always)]
    fn skip(self, count: usize) -> Self {
        Self { at: self.at.wrapping_add(count * self.tile), ..self }
    }

    #[inline(always)]
    unsafe fn accumulate<S: Simd, const M: usize, const NT: usize>(
        self,
        s: S,
        k: usize,
        x: Inputs,
        acc: &mut [[S::V; NT]; M],
    ) {
        for i in 0..k {
            let ahead = lines_ahead::<NT>(i, k) * LANES;
            let at = self.at.wrapping_add(i * LANES);
            let mut w = [s.splat(0.0); NT];
            for (t, w) in w.iter_mut().enumerate() {
                s.prefetch(at.wrapping_add(t * self.tile + ahead).cast());
                // SAFETY: the caller vouches for `k` inputs of `NT` tiles.
                *w = unsafe { s.load(at.add(t * self.tile)) };
            }
            // SAFETY: the caller vouches for `k` inputs of `M` rows.
            unsafe { add_products(s, x, i, w, acc) };
        }
    }
}

impl Weights for Bf16Tiles {
    #[inline(always)]
    fn skip(self, count: usize) -> Self {
        Self { at: self.at.wrapping_add(count * self.tile), ..self }
    }

    #[inline(always)]
    unsafe fn accumulate<S: Simd, const M: usize, const NT: usize>(
        self,
        s: S,
        k: usize,
        x: Inputs,
        acc: &mut [[S::V; NT]; M],
    ) {
        let pairs = k.div_ceil(2);
        for pair in 0..pairs {
            let ahead = lines_ahead::<NT>(pair, pairs) * 2 * LANES;
            let at = self.at.wrapping_add(pair * 2 * LANES);
            let mut even = [s.splat(0.0); NT];
            let mut odd = [s.splat(0.0); NT];
            for (t, (even, odd)) in even.iter_mut().zip(&mut odd).enumerate() {
                s.prefetch(at.wrapping_add(t * self.tile + ahead).cast());
                // SAFETY: the caller vouches for `k` inputs, padded to pairs, of `NT` tiles.
                (*even, *odd) = unsafe { s.load_bf16_pairs(at.add(t * self.tile)) };
            }
            // SAFETY: the caller vouches for `k` inputs of `M` rows.
            unsafe { add_products(s, x, 2 * pair, even, acc) };
            if 2 * pair + 1 < k {
                // SAFETY: input `2 * pair + 1` is below `k`.
                unsafe { add_products(s, x, 2 * pair + 1, odd, acc) };
            }
        }
    }
}

impl Weights for Rows {
    #[inline(always)]
    fn skip(self, count: usize) -> Self {
        Self { at: self.at.wrapping_add(count * LANES), ..self }
    }

    #[inline(always)]
    unsafe fn accumulate<S: Simd, const M: usize, const NT: usize>(
        self,
        s: S,
        k: usize,
        x: Inputs,
        acc: &mut [[S::V; NT]; M],
    ) {
        for i in 0..k {
            let at = self.at.wrapping_add(i * self.ld);
            let mut w = [s.splat(0.0); NT];
            for (t, w) in w.iter_mut().enumerate() {
                // SAFETY: the caller vouches for `k` rows of `NT` tiles.
                *w = unsafe { s.load(at.add(t * LANES)) };
            }
            // SAFETY: the caller vouches for `k` inputs of `M` rows.
            unsafe { add_products(s, x, i, w, acc) };
        }
    }
}

/// Adds input `i` of every row times each vector of weights.
///
/// # Safety
/// `x` must be readable for `i + 1` inputs of `M` rows.
#[inline(always)]
unsafe fn add_products<S: Simd, const M: usize, const NT: usize>(
    s: S,
    x: Inputs,
    i: usize,
    w: [S::V; NT],
    acc: &mut [[S::V; NT]; M],
) {
    for (r, acc) in acc.iter_mut().enumerate() {
        // SAFETY: the caller vouches for input `i` of `M` rows.
        let x = s.splat(unsafe { *x.at.add(r * x.ld + i) });
        for (acc, &w) in acc.iter_mut().zip(&w) {
            *acc = s.fma(x, w, *acc);
        }
    }
}

/// Cache lines to prefetch ahead within a tile: far enough to hide memory's latency.
const AHEAD: usize = 32;

/// How many lines past line `i` of a tile's `lines` to prefetch. `NT` tiles are read side by side;
/// near their ends, what comes next is the tile `NT` further on.
#[inline(always)]
fn lines_ahead<const NT: usize>(i: usize, lines: usize) -> usize {
    if i + AHEAD < lines { AHEAD } else { AHEAD + (NT - 1) * lines }
}
