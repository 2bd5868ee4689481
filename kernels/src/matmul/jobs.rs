//! Many products cut into work items (a few tiles times some rows) and run as one loop.

use std::ops::Range;

use crate::level::Level;
use crate::matmul::micro::{Finish, Outputs, multiply};
use crate::matmul::weights::{Bf16Tiles, F32Tiles, Inputs, Weights};
use crate::pack::{PackedMatrix, Tiles};
use crate::parallel::{SharedMut, Spread, for_each, threads};
use crate::simd::{Kernel, LANES, Simd};

/// Bytes of weights that one work item streams through.
const WEIGHT_BYTES: usize = 1 << 19;
/// Work items for each thread, so that threads end together.
const ITEMS_A_THREAD: usize = 4;
/// Multiply-adds that take as long as reading one weight from memory.
const READ: usize = 3;
/// Bytes of inputs that one work item passes over: they stay in the second-level cache.
const INPUT_BYTES: usize = 1 << 20;

/// `y [rows, n] (finish)= x [rows, k] · Wᵀ`.
pub(crate) struct Job<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) weight: &'a PackedMatrix,
    pub(crate) y: SharedMut,
    pub(crate) finish: Finish,
}

// SAFETY: a bias pointer in `finish` is only read, and outlives the call that made it.
unsafe impl Sync for Job<'_> {}

/// Runs all jobs as one parallel loop. Jobs must write disjoint outputs.
pub(crate) fn run(level: Level, jobs: &[Job]) {
    let tiles: usize = jobs.iter().map(|job| job.weight.tile_count()).sum();
    let fair = tiles / (ITEMS_A_THREAD * threads());
    let (mut items, mut work) = (Vec::new(), 0);
    for job in jobs {
        let (n, k) = (job.weight.rows(), job.weight.cols());
        assert_eq!(job.x.len(), job.rows * k, "an input of whole rows");
        work += (job.rows + READ) * n * k;
        let group = tiles_of_item(job.weight, fair);
        for first in (0..job.rows).step_by(rows_of_item(k)) {
            let rows = first..job.rows.min(first + rows_of_item(k));
            for tile in (0..job.weight.tile_count()).step_by(group) {
                let tiles = group.min(job.weight.tile_count() - tile);
                items.push(Item { job, tile, tiles, rows: rows.clone() });
            }
        }
    }
    for_each(items.len(), Spread::for_work(work), |i| level.run(&items[i]));
}

/// Tiles of `weight` for one work item, a multiple of what a block takes; at most about `fair`.
fn tiles_of_item(weight: &PackedMatrix, fair: usize) -> usize {
    let tile_bytes = weight.bytes() / weight.tile_count().max(1);
    (WEIGHT_BYTES / tile_bytes.max(1)).min(fair).max(4) / 4 * 4
}

/// Rows of `k` inputs for one work item, a multiple of every level's block.
fn rows_of_item(k: usize) -> usize {
    (INPUT_BYTES / size_of::<f32>() / k.max(1) / 12).max(1) * 12
}

/// Some tiles of some rows of a job.
struct Item<'a> {
    job: &'a Job<'a>,
    tile: usize,
    tiles: usize,
    rows: Range<usize>,
}

impl Kernel for &Item<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tile = self.job.weight.tile_len();
        match self.job.weight.tiles() {
            Tiles::Bf16(tiles) => {
                let at = tiles.as_slice()[self.tile * tile..].as_ptr();
                self.run_on(s, Bf16Tiles { at, tile });
            }
            Tiles::F32(tiles) => {
                let at = tiles.as_slice()[self.tile * tile..].as_ptr();
                self.run_on(s, F32Tiles { at, tile });
            }
        }
    }
}

impl Item<'_> {
    /// `weights` start at the item's first tile.
    #[inline(always)]
    fn run_on<S: Simd, W: Weights>(&self, s: S, weights: W) {
        let (n, k) = (self.job.weight.rows(), self.job.weight.cols());
        let (row, column) = (self.rows.start, self.tile * LANES);
        let finish = match self.job.finish {
            Finish::Bias(bias) => Finish::Bias(bias.wrapping_add(column)),
            other => other,
        };
        let x = Inputs { at: self.job.x[row * k..].as_ptr(), ld: k };
        let at = self.job.y.ptr().wrapping_add(row * n + column);
        let y = Outputs { at, ld: n, columns: n - column, finish };
        // SAFETY: inputs and weight are as long as their shapes say, and these tiles of these rows
        // belong to this work item alone.
        unsafe { multiply(s, (self.rows.len(), self.tiles, k), x, weights, y) };
    }
}
