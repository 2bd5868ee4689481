//! `dx += dy · W`: the gradient through a frozen weight, from the same packed copy of it.
//!
//! Panels of 32 inputs are widened to f32 `[n][32]` in the second-level cache and used for all rows.

use crate::level::Level;
use crate::matmul::micro::{F32Tiles, Finish, Outputs, Weights, multiply, tiles_for};
use crate::matmul::panels::Panels;
use crate::pack::{PackedMatrix, Tiles};
use crate::parallel::{SharedMut, Spread, for_each};
use crate::scratch::Scratch;
use crate::simd::{Kernel, LANES, Simd};

/// Inputs of a panel.
const WIDTH: usize = 2 * LANES;
/// Outputs whose gradients are multiplied before moving on; bounds the packed copy of `dy`.
const STRETCH: usize = 8192;
/// Outputs of a widened panel: 128 KiB times 2.
const DEPTH: usize = 2048;

/// `dx [m, k] += dy [m, n] · W`, each element one chain with outputs ascending.
///
/// # Panics
/// When a slice does not have the length its shape asks for.
pub fn matmul_transposed(dy: &[f32], m: usize, w: &PackedMatrix, dx: &mut [f32]) {
    matmul_transposed_at(Level::active(), dy, m, w, dx);
}

pub(crate) fn matmul_transposed_at(
    level: Level,
    dy: &[f32],
    m: usize,
    w: &PackedMatrix,
    dx: &mut [f32],
) {
    let (n, k) = (w.rows(), w.cols());
    assert_eq!(dy.len(), m * n, "an output gradient of {m} rows of {n}");
    assert_eq!(dx.len(), m * k, "an input gradient of {m} rows of {k}");
    if m == 0 {
        return;
    }
    let dx = SharedMut::new(dx);
    for first in (0..n).step_by(STRETCH) {
        let depth = STRETCH.min(n - first);
        let dy = Panels::pack(level, &dy[first..], m, depth, n);
        let spread = Spread::for_work(m * depth * k);
        for_each(k.div_ceil(WIDTH), spread, |panel| {
            level.run(Panel { dy: &dy, w, first, depth, column: panel * WIDTH, dx });
        });
    }
}

/// 32 columns of `dx` and the part that `depth` outputs from `first` on add to them.
#[derive(Clone, Copy)]
struct Panel<'a> {
    dy: &'a Panels<'a>,
    w: &'a PackedMatrix,
    first: usize,
    depth: usize,
    column: usize,
    dx: SharedMut,
}

impl Kernel for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut wide = Scratch::take(self.depth.min(DEPTH).next_multiple_of(LANES) * WIDTH);
        for from in (0..self.depth).step_by(DEPTH) {
            let depth = DEPTH.min(self.depth - from);
            widen(self.w, self.first + from, depth, self.column, &mut wide);
            let mut tile = 0;
            while tile < WIDTH / LANES && self.column + tile * LANES < self.w.cols() {
                let room = (self.w.cols() - self.column).div_ceil(LANES).min(WIDTH / LANES) - tile;
                let tiles = tiles_for::<S>(self.dy.tallest()).min(room);
                for block in 0..self.dy.blocks() {
                    self.block(s, block, (from, depth), (tile, tiles), &wide);
                }
                tile += tiles;
            }
        }
    }
}

impl Panel<'_> {
    #[inline(always)]
    fn block<S: Simd>(
        self,
        s: S,
        block: usize,
        (from, depth): (usize, usize),
        (tile, tiles): (usize, usize),
        wide: &[f32],
    ) {
        let k = self.w.cols();
        let (row, height, mut x) = self.dy.block(block);
        x.at = x.at.wrapping_add(from * x.step);
        let weights = F32Tiles { at: wide.as_ptr(), step: WIDTH, tile: LANES }.skip(tile);
        let column = self.column + tile * LANES;
        let at = self.dx.ptr().wrapping_add(row * k + column);
        let y = Outputs { at, ld: k, columns: k - column, finish: Finish::Continue };
        // SAFETY: the panel of `dy` holds `from + depth` outputs and `wide` `depth` rows of 32;
        // these columns of `dx` belong to this work item alone.
        unsafe { multiply(s, (height, tiles, depth), x, weights, y) };
    }
}

/// Writes `W[first.., column..column + 32]` to `wide [depth][32]`; columns past `k` are unspecified.
#[inline(always)]
fn widen(w: &PackedMatrix, first: usize, depth: usize, column: usize, wide: &mut [f32]) {
    let columns = WIDTH.min(w.cols() - column);
    for row in (0..depth).step_by(LANES) {
        let rows = LANES.min(depth - row);
        let tile = (first + row) / LANES * w.tile_len();
        let out = &mut wide[row * WIDTH..(row + rows) * WIDTH];
        match w.tiles() {
            Tiles::F32(tiles) => {
                let source = &tiles.as_slice()[tile + column * LANES..][..columns * LANES];
                for (i, column) in source.chunks_exact(LANES).enumerate() {
                    for (lane, &x) in column[..rows].iter().enumerate() {
                        out[lane * WIDTH + i] = x;
                    }
                }
            }
            Tiles::Bf16(tiles) => {
                let len = columns.next_multiple_of(2) * LANES;
                let source = &tiles.as_slice()[tile + column * LANES..][..len];
                for (i, pair) in source.chunks_exact(2 * LANES).enumerate() {
                    for (lane, bits) in pair.chunks_exact(2).take(rows).enumerate() {
                        out[lane * WIDTH + 2 * i] = f32::from_bits(u32::from(bits[0]) << 16);
                        out[lane * WIDTH + 2 * i + 1] = f32::from_bits(u32::from(bits[1]) << 16);
                    }
                }
            }
        }
    }
}
