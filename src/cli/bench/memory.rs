//! `wardrobe bench memory`: what the process holds against what the weights and the cache need.

use super::common::{Common, Lengths};
use super::machine::{peak_resident_bytes, resident_bytes};
use super::stats::Samples;
use crate::model::KvCache;
use anyhow::Result;

/// Arguments of `bench memory`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  wardrobe bench memory --model checkpoints/initial")]
pub(super) struct MemoryArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    lengths: Lengths,
}

impl MemoryArgs {
    pub(super) fn run(&self) -> Result<()> {
        let weights = self.common.weight_bytes()?;
        let mut session = self.common.session(1, self.lengths)?;
        let loaded = resident_bytes()?;
        let Lengths { prompt, generate } = self.lengths;
        let mut used = Vec::new();
        for seed in 0..self.common.runs() {
            session.run(vec![session.work(prompt, generate, seed)])?;
            used.push(resident_bytes()?);
        }
        // Finished requests leave their blocks to the prefix cache, so every run adds its own.
        let blocks = (prompt + generate).div_ceil(kernels::BLOCK) * used.len();
        let kv = blocks * KvCache::block_bytes(&session.config);
        let most = used.iter().copied().max().unwrap_or(loaded);
        let peak = peak_resident_bytes()?;
        // Only now: measuring the machine takes memory itself.
        let mut report = self.common.report("memory")?;
        self.lengths.describe(&mut report);
        let mb = |bytes: usize| Samples::new([bytes as f64 / 1e6]);
        report.figure("weights", "MB", mb(weights));
        report.figure("kv_used", "MB", mb(kv));
        report.figure("resident_after_load", "MB", mb(loaded));
        report.figure("resident_in_use", "MB", mb(most));
        report.figure("peak", "MB", mb(peak));
        let needed = (weights + kv) as f64;
        report.figure("resident_over_needed", "", Samples::new([most as f64 / needed]));
        self.common.show(&report)
    }
}
