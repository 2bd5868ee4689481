//! Inputs laid out for the micro-kernel: blocks of rows, `[k][rows of the block]` within a block.

use crate::level::Level;
use crate::matmul::micro::Inputs;
use crate::parallel::{SharedMut, Spread, for_each};
use crate::scratch::Scratch;
use crate::simd::{Kernel, Simd};

/// `x [m, k]` cut into blocks of nearly equal height; one row is used where it lies.
pub(crate) struct Panels<'a> {
    data: Data<'a>,
    rows: usize,
    k: usize,
    blocks: usize,
}

enum Data<'a> {
    Borrowed(&'a [f32]),
    Packed(Scratch),
}

struct MostRows;

impl Kernel for MostRows {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::ROWS
    }
}

impl<'a> Panels<'a> {
    /// Packs `x`, whose rows are `k` long and `stride` apart.
    pub(crate) fn pack(level: Level, x: &'a [f32], rows: usize, k: usize, stride: usize) -> Self {
        let blocks = rows.div_ceil(level.run(MostRows));
        if rows == 1 {
            return Self { data: Data::Borrowed(&x[..k]), rows, k, blocks };
        }
        let mut packed = Scratch::take(rows * k);
        let out = SharedMut::new(&mut packed);
        for_each(blocks, Spread::for_work(rows * k), |block| {
            let (first, height) = span(rows, blocks, block);
            // SAFETY: the blocks' panels follow one another, each `height * k` long.
            let panel =
                unsafe { std::slice::from_raw_parts_mut(out.ptr().add(first * k), height * k) };
            for row in 0..height {
                let source = &x[(first + row) * stride..][..k];
                for (i, &value) in source.iter().enumerate() {
                    panel[i * height + row] = value;
                }
            }
        });
        Self { data: Data::Packed(packed), rows, k, blocks }
    }

    /// Rows of all blocks.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Blocks of rows.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// Rows of the tallest block.
    #[inline(always)]
    pub(crate) fn tallest(&self) -> usize {
        self.rows.div_ceil(self.blocks.max(1))
    }

    /// The first row of `block`, its height, and where its inputs lie.
    #[inline(always)]
    pub(crate) fn block(&self, block: usize) -> (usize, usize, Inputs) {
        let (first, height) = span(self.rows, self.blocks, block);
        let data: &[f32] = match &self.data {
            Data::Borrowed(x) => x,
            Data::Packed(packed) => packed,
        };
        let at = data[first * self.k..].as_ptr();
        (first, height, Inputs { at, step: height, row: 1 })
    }
}

/// The first row and the height of block `i` when `rows` rows are shared evenly by `blocks` blocks.
#[inline(always)]
fn span(rows: usize, blocks: usize, i: usize) -> (usize, usize) {
    let first = i * rows / blocks;
    (first, (i + 1) * rows / blocks - first)
}
