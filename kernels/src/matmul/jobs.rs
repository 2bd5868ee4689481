//! Many products cut into work items (a few tiles times some rows) and run as one loop.

use std::ops::Range;

use crate::level::Level;
use crate::matmul::micro::{Finish, Outputs, multiply};
use crate::matmul::weights::{Bf16Tiles, F32Tiles, Inputs, Weights};
use crate::pack::{PackedMatrix, Tiles};
use crate::parallel::{SharedMut, Spread, for_each};
use crate::simd::{Kernel, LANES, Simd};

/// Tiles of one work item.
const GROUP: usize = 4;
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
    let mut items = Vec::new();
    for job in jobs {
        assert_eq!(job.x.len(), job.rows * job.weight.cols(), "an input of whole rows");
        let rows = rows_of_item(job.weight.cols());
        for first in (0..job.rows).step_by(rows) {
            let rows = first..job.rows.min(first + rows);
            for tile in (0..job.weight.tile_count()).step_by(GROUP) {
                items.push(Item { job, tile, rows: rows.clone() });
            }
        }
    }
    let work = jobs.iter().map(|job| job.rows * job.weight.rows() * job.weight.cols()).sum();
    for_each(items.len(), Spread::for_work(work), |i| level.run(&items[i]));
}

/// Rows of `k` inputs for one work item, a multiple of every level's block.
fn rows_of_item(k: usize) -> usize {
    (INPUT_BYTES / size_of::<f32>() / k.max(1) / 12).max(1) * 12
}

/// Some tiles of some rows of a job.
struct Item<'a> {
    job: &'a Job<'a>,
    tile: usize,
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
        let tiles = GROUP.min(self.job.weight.tile_count() - self.tile);
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
        unsafe { multiply(s, (self.rows.len(), tiles, k), x, weights, y) };
    }
}
