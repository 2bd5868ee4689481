//! `dx += dy · W`: the gradient through a frozen weight, from the same packed copy of it.
//!
//! Panels of 32 inputs are widened to f32 `[n][32]` in the second-level cache and used for all rows.

use crate::level::Level;
use crate::matmul::micro::{Finish, Outputs, multiply};
use crate::matmul::weights::{Inputs, Rows};
use crate::pack::{PackedMatrix, Tiles};
use crate::parallel::{SharedMut, Spread, for_each};
use crate::scratch::Scratch;
use crate::simd::{Kernel, LANES, Simd};

/// Inputs of a panel.
const WIDTH: usize = 2 * LANES;
/// Outputs of a widened panel, which then takes 256 KiB.
const DEPTH: usize = 2048;

/// `dx [m, k] += dy [m, n] · W`, each element one chain with outputs ascending.
///
/// # Panics
/// When a slice does not have the length its shape asks for.
pub fn matmul_transposed(dy: &[f32], m: usize, w: &PackedMatrix, dx: &mut [f32]) {
    matmul_transposed_at(Level::active(), (dy, m), w, dx);
}

pub(crate) fn matmul_transposed_at(
    level: Level,
    (dy, m): (&[f32], usize),
    w: &PackedMatrix,
    dx: &mut [f32],
) {
    let (n, k) = (w.rows(), w.cols());
    assert_eq!(dy.len(), m * n, "an output gradient of {m} rows of {n}");
    assert_eq!(dx.len(), m * k, "an input gradient of {m} rows of {k}");
    if m == 0 || n == 0 {
        return;
    }
    let dx = SharedMut::new(dx);
    for_each(k.div_ceil(WIDTH), Spread::for_work(m * n * k), |panel| {
        level.run(Panel { dy, rows: m, w, column: panel * WIDTH, dx });
    });
}

/// Up to 32 columns of `dx`, from `column` on.
#[derive(Clone, Copy)]
struct Panel<'a> {
    dy: &'a [f32],
    rows: usize,
    w: &'a PackedMatrix,
    column: usize,
    dx: SharedMut,
}

impl Kernel for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.w.rows();
        let mut wide = Scratch::take(DEPTH.min(n).next_multiple_of(LANES) * WIDTH);
        for first in (0..n).step_by(DEPTH) {
            let depth = DEPTH.min(n - first);
            self.widen(s, first / LANES, depth.div_ceil(LANES), &mut wide);
            self.add_part(s, (first, depth), &wide);
        }
    }
}

impl Panel<'_> {
    /// Columns of the panel.
    #[inline(always)]
    fn columns(self) -> usize {
        WIDTH.min(self.w.cols() - self.column)
    }

    /// Adds the part of outputs `first..first + depth`, whose weights are `wide`.
    #[inline(always)]
    fn add_part<S: Simd>(self, s: S, (first, depth): (usize, usize), wide: &[f32]) {
        let (n, k) = (self.w.rows(), self.w.cols());
        let shape = (self.rows, self.columns().div_ceil(LANES), depth);
        let x = Inputs { at: self.dy[first..].as_ptr(), ld: n };
        let weights = Rows { at: wide.as_ptr(), ld: WIDTH };
        let at = self.dx.ptr().wrapping_add(self.column);
        let y = Outputs { at, ld: k, columns: k - self.column, finish: Finish::Continue };
        // SAFETY: `dy` holds these outputs of all rows and `wide` `depth` rows of 32; these columns
        // of `dx` belong to this work item alone.
        unsafe { multiply(s, shape, x, weights, y) };
    }

    /// Writes `count` tiles of the weight from the `first`-th on, turned and widened, to
    /// `wide [16 * count][32]`; columns past the panel's are unspecified.
    #[inline(always)]
    fn widen<S: Simd>(self, s: S, first: usize, count: usize, wide: &mut [f32]) {
        let tile = self.w.tile_len();
        for (i, out) in wide.chunks_exact_mut(LANES * WIDTH).take(count).enumerate() {
            let at = (first + i) * tile + self.column * LANES;
            for from in (0..self.columns()).step_by(LANES) {
                let columns = LANES.min(self.columns() - from);
                let at = at + from * LANES;
                let columns = match self.w.tiles() {
                    Tiles::F32(tiles) => f32_columns(s, &tiles.as_slice()[at..], columns),
                    Tiles::Bf16(tiles) => bf16_columns(s, &tiles.as_slice()[at..], columns),
                };
                for (lane, row) in s.transpose(columns).into_iter().enumerate() {
                    s.write(&mut out[lane * WIDTH + from..][..LANES], 0, row);
                }
            }
        }
    }
}

/// The first `count` inputs of a tile, an input a vector, then zeros.
#[inline(always)]
fn f32_columns<S: Simd>(s: S, tile: &[f32], count: usize) -> [S::V; LANES] {
    let mut columns = [s.splat(0.0); LANES];
    for (i, column) in columns.iter_mut().take(count).enumerate() {
        *column = s.read(&tile[i * LANES..(i + 1) * LANES], 0);
    }
    columns
}

/// The first `count` inputs of a tile, an input a vector, then zeros.
#[inline(always)]
fn bf16_columns<S: Simd>(s: S, tile: &[u16], count: usize) -> [S::V; LANES] {
    let mut columns = [s.splat(0.0); LANES];
    let pairs = columns.chunks_exact_mut(2).take(count.div_ceil(2));
    for (pair, words) in pairs.zip(tile.chunks_exact(2 * LANES)) {
        // SAFETY: `words` are 32 values.
        (pair[0], pair[1]) = unsafe { s.load_bf16_pairs(words.as_ptr()) };
    }
    columns
}
