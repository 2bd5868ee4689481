//! Many products cut into work items (a few tiles times a few blocks of rows) and run as one loop.

use crate::level::Level;
use crate::matmul::micro::{Bf16Tiles, F32Tiles, Finish, Outputs, Weights, multiply, tiles_for};
use crate::matmul::panels::Panels;
use crate::pack::{PackedMatrix, Tiles};
use crate::parallel::{SharedMut, Spread, for_each};
use crate::simd::{Kernel, LANES, Simd};

/// Tiles of one work item.
const GROUP: usize = 4;
/// Bytes of packed inputs that one work item passes over: they stay in the second-level cache.
const INPUT_BYTES: usize = 1 << 20;

/// `y [rows, n] (finish)= x · Wᵀ`; rows of `y` are `n` apart.
pub(crate) struct Job<'a> {
    pub(crate) x: &'a Panels<'a>,
    pub(crate) weight: &'a PackedMatrix,
    pub(crate) y: SharedMut,
    pub(crate) finish: Finish,
}

// SAFETY: a bias pointer in `finish` is only read, and outlives the call that made it.
unsafe impl Sync for Job<'_> {}

/// Some tiles of some blocks of a job.
#[derive(Clone, Copy)]
struct Item<'a> {
    job: &'a Job<'a>,
    tile: usize,
    blocks: (usize, usize),
}

/// Runs all jobs as one parallel loop. Jobs must write disjoint outputs.
pub(crate) fn run(level: Level, jobs: &[Job]) {
    let mut items = Vec::new();
    for job in jobs {
        push_items(job, &mut items);
    }
    let work = jobs.iter().map(|job| job.x.rows() * job.weight.rows() * job.weight.cols()).sum();
    for_each(items.len(), Spread::for_work(work), |i| level.run(items[i]));
}

fn push_items<'a>(job: &'a Job<'a>, items: &mut Vec<Item<'a>>) {
    let blocks = job.x.blocks();
    if blocks == 0 {
        return;
    }
    let block_bytes = job.x.tallest() * job.weight.cols() * size_of::<f32>();
    let together = (INPUT_BYTES / block_bytes.max(1)).clamp(1, blocks);
    for first in (0..blocks).step_by(together) {
        let blocks = (first, blocks.min(first + together));
        for tile in (0..job.weight.tile_count()).step_by(GROUP) {
            items.push(Item { job, tile, blocks });
        }
    }
}

impl Kernel for Item<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tile = self.job.weight.tile_len();
        let at = self.tile * tile;
        match self.job.weight.tiles() {
            Tiles::Bf16(tiles) => {
                self.run_on(s, Bf16Tiles { at: tiles.as_slice()[at..].as_ptr(), tile });
            }
            Tiles::F32(tiles) => {
                let at = tiles.as_slice()[at..].as_ptr();
                self.run_on(s, F32Tiles { at, step: LANES, tile });
            }
        }
    }
}

impl Item<'_> {
    #[inline(always)]
    fn run_on<S: Simd, W: Weights>(self, s: S, weights: W) {
        let weight = self.job.weight;
        let tiles = GROUP.min(weight.tile_count() - self.tile);
        let tallest = self.job.x.tallest();
        let mut done = 0;
        while done < tiles {
            let mut width = tiles_for::<S>(tallest);
            while width > tiles - done {
                width /= 2;
            }
            for block in self.blocks.0..self.blocks.1 {
                self.block(s, block, (done, width), weights.skip(done));
            }
            done += width;
        }
    }

    #[inline(always)]
    fn block<S: Simd, W: Weights>(
        self,
        s: S,
        block: usize,
        (done, width): (usize, usize),
        weights: W,
    ) {
        let (n, k) = (self.job.weight.rows(), self.job.weight.cols());
        let (row, height, x) = self.job.x.block(block);
        let column = (self.tile + done) * LANES;
        let finish = match self.job.finish {
            Finish::Bias(bias) => Finish::Bias(bias.wrapping_add(column)),
            other => other,
        };
        let at = self.job.y.ptr().wrapping_add(row * n + column);
        let y = Outputs { at, ld: n, columns: n - column, finish };
        // SAFETY: the panel and the weight are as long as their shapes say, and these tiles of
        // these rows belong to this work item alone.
        unsafe { multiply(s, (height, width, k), x, weights, y) };
    }
}
