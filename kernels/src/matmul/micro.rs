//! Rows times tiles, whatever the instruction set: the micro-kernel takes a block
//! of up to twelve rows times one, two or four tiles of sixteen outputs, accumulators in registers.
//! Every (row, output) is summed in one chain with inputs ascending.

use crate::matmul::weights::{Inputs, Weights};
use crate::simd::{Kernel, LANES, Simd};

/// What becomes of a block's sums.
#[derive(Clone, Copy)]
pub(crate) enum Finish {
    /// `y = sum`.
    Store,
    /// `y = sum + bias`, the bias indexed as the outputs are.
    Bias(*const f32),
    /// `y = sum * scale`.
    Scale(f32),
    /// `y = sum * scale + y`.
    AddScaled(f32),
    /// The sum starts from `y`: `y = (((y + p0) + p1) + ...)`.
    Continue,
}

/// Outputs of a block: `rows` rows `ld` apart, `columns` outputs of the tiles in use.
#[derive(Clone, Copy)]
pub(crate) struct Outputs {
    pub(crate) at: *mut f32,
    pub(crate) ld: usize,
    pub(crate) columns: usize,
    pub(crate) finish: Finish,
}

impl Outputs {
    /// The part from row `row` and tile `tile` on.
    #[inline(always)]
    fn skip(self, row: usize, tile: usize) -> Self {
        let column = tile * LANES;
        let finish = match self.finish {
            Finish::Bias(bias) => Finish::Bias(bias.wrapping_add(column)),
            other => other,
        };
        let at = self.at.wrapping_add(row * self.ld + column);
        Self { at, columns: self.columns - column, finish, ..self }
    }
}

struct Block<W, const M: usize, const NT: usize> {
    k: usize,
    x: Inputs,
    w: W,
    y: Outputs,
}

impl<W: Weights, const M: usize, const NT: usize> Kernel for Block<W, M, NT> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let y = self.y;
        let mut acc = [[s.splat(0.0); NT]; M];
        if matches!(y.finish, Finish::Continue) {
            for (r, acc) in acc.iter_mut().enumerate() {
                for (t, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: `y` is valid for `M` rows of `columns` outputs.
                    *acc = unsafe { load(s, y, r, t) };
                }
            }
        }
        // SAFETY: `multiply`'s caller vouches for `x` and `w`.
        unsafe { self.w.accumulate::<S, M, NT>(s, self.k, self.x, &mut acc) };
        for (r, acc) in acc.into_iter().enumerate() {
            for (t, sum) in acc.into_iter().enumerate() {
                // SAFETY: `y` is valid for `M` rows of `columns` outputs, and so is a bias.
                unsafe { store(s, y, r, t, sum) };
            }
        }
    }
}

#[inline(always)]
unsafe fn load<S: Simd>(s: S, y: Outputs, r: usize, t: usize) -> S::V {
    let at = y.at.wrapping_add(r * y.ld + t * LANES);
    let left = y.columns - t * LANES;
    // SAFETY: the caller vouches for the block's outputs; only `left` of them are read.
    unsafe { if left >= LANES { s.load(at) } else { s.load_part(at, left) } }
}

#[inline(always)]
unsafe fn store<S: Simd>(s: S, y: Outputs, r: usize, t: usize, sum: S::V) {
    let at = y.at.wrapping_add(r * y.ld + t * LANES);
    let left = y.columns - t * LANES;
    // SAFETY: the caller vouches for the block's outputs and bias; only `left` of them are used.
    unsafe {
        let value = match y.finish {
            Finish::Store | Finish::Continue => sum,
            Finish::Scale(scale) => s.mul(sum, s.splat(scale)),
            Finish::AddScaled(scale) => s.fma(sum, s.splat(scale), load(s, y, r, t)),
            Finish::Bias(bias) => {
                let bias = bias.wrapping_add(t * LANES);
                s.add(sum, if left >= LANES { s.load(bias) } else { s.load_part(bias, left) })
            }
        };
        if left >= LANES { s.store(at, value) } else { s.store_part(at, value, left) }
    }
}

/// Multiplies `rows` rows by `tiles` tiles, block by block, all rows before the next tiles.
///
/// # Safety
/// `x` must be readable for `k` inputs of `rows` rows, `w` for `k` inputs of `tiles` tiles, and `y`
/// valid for `rows` rows of `y.columns > 16 * (tiles - 1)` outputs that nobody else touches.
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, W: Weights>(
    s: S,
    (rows, tiles, k): (usize, usize, usize),
    x: Inputs,
    w: W,
    y: Outputs,
) {
    let blocks = rows.div_ceil(S::ROWS);
    let widest = widest::<S>(rows.div_ceil(blocks.max(1)));
    let mut tile = 0;
    while tile < tiles {
        let mut width = widest;
        while width > tiles - tile {
            width /= 2;
        }
        for block in 0..blocks {
            let (row, height) = span(rows, blocks, block);
            let on = (x.skip(row), w.skip(tile), y.skip(row, tile));
            // SAFETY: the caller vouches for all rows and tiles, these among them.
            unsafe { by_width(s, (height, width, k), on) };
        }
        tile += width;
    }
}

/// The most tiles, of 1, 2 and 4, that a block of `rows` rows takes.
#[inline(always)]
fn widest<S: Simd>(rows: usize) -> usize {
    match S::ACCUMULATORS / rows.max(1) {
        0 | 1 => 1,
        2 | 3 => 2,
        _ => 4,
    }
}

/// # Safety
/// As [`multiply`], for one block.
#[inline(always)]
unsafe fn by_width<S: Simd, W: Weights>(
    s: S,
    (rows, tiles, k): (usize, usize, usize),
    on: (Inputs, W, Outputs),
) {
    // SAFETY: the caller vouches for the block.
    unsafe {
        match tiles {
            1 => by_rows::<S, W, 1>(s, rows, k, on),
            2 => by_rows::<S, W, 2>(s, rows, k, on),
            4 => by_rows::<S, W, 4>(s, rows, k, on),
            _ => unreachable!("blocks are 1, 2 or 4 tiles wide"),
        }
    }
}

/// # Safety
/// As [`multiply`], for one block.
#[inline(always)]
unsafe fn by_rows<S: Simd, W: Weights, const NT: usize>(
    s: S,
    rows: usize,
    k: usize,
    on: (Inputs, W, Outputs),
) {
    // SAFETY: the caller vouches for the block.
    unsafe {
        match rows {
            1 => block::<S, W, 1, NT>(s, k, on),
            2 => block::<S, W, 2, NT>(s, k, on),
            3 => block::<S, W, 3, NT>(s, k, on),
            4 => block::<S, W, 4, NT>(s, k, on),
            5 => block::<S, W, 5, NT>(s, k, on),
            6 => block::<S, W, 6, NT>(s, k, on),
            7 => block::<S, W, 7, NT>(s, k, on),
            8 => block::<S, W, 8, NT>(s, k, on),
            9 => block::<S, W, 9, NT>(s, k, on),
            10 => block::<S, W, 10, NT>(s, k, on),
            11 => block::<S, W, 11, NT>(s, k, on),
            12 => block::<S, W, 12, NT>(s, k, on),
            _ => unreachable!("blocks have 1 to 12 rows"),
        }
    }
}

/// # Safety
/// As [`multiply`], for one block.
#[inline(always)]
unsafe fn block<S: Simd, W: Weights, const M: usize, const NT: usize>(
    s: S,
    k: usize,
    (x, w, y): (Inputs, W, Outputs),
) {
    // A constant, so that kernels that cannot occur are not compiled.
    if const { M * NT > S::ACCUMULATORS } {
        unreachable!("a block has at most {} accumulators", S::ACCUMULATORS);
    }
    s.vectorize(Block::<W, M, NT> { k, x, w, y });
}

/// The first row and the height of block `i` when `rows` rows are shared evenly by `blocks` blocks.
#[inline(always)]
fn span(rows: usize, blocks: usize, i: usize) -> (usize, usize) {
    let first = i * rows / blocks;
    (first, (i + 1) * rows / blocks - first)
}
