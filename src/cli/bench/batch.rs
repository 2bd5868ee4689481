//! `wardrobe bench batch`: what different adapters in one batch cost against as many base requests.

use super::common::{Common, Lengths, whole_number};
use super::random_adapter::{AdapterDtype, RandomAdapter};
use super::session::{Session, Timeline};
use super::stats::Samples;
use crate::adapters::{Generation, LoadPolicy};
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;

/// Arguments of `bench batch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  wardrobe bench batch --model checkpoints/initial --adapters 8 --rank 16")]
pub(super) struct BatchArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    lengths: Lengths,
    /// Requests in the batch, each with an adapter of its own.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    adapters: u64,
    /// Rank of the adapters, which are made at random on every linear.
    #[arg(long, value_name = "R", default_value_t = 16, value_parser = whole_number(1))]
    rank: usize,
}

impl BatchArgs {
    pub(super) fn run(&self) -> Result<()> {
        let mut report = self.common.report("batch")?;
        self.lengths.describe(&mut report);
        report.say("requests", self.adapters);
        report.say("rank", self.rank);
        let requests = usize::try_from(self.adapters)?;
        let mut session = self.common.session(requests, self.lengths)?;
        let folder = tempfile::tempdir().context("the adapters need a temporary folder")?;
        let f32s = self.make_adapters(&session, AdapterDtype::F32, folder.path())?;
        let bf16s = self.make_adapters(&session, AdapterDtype::Bf16, folder.path())?;
        let rounds = self.measure(&mut session, &[&[], &f32s, &bf16s])?;
        let rate = |run: &Timeline| self.adapters as f64 * run.decode_per_second();
        let names = ["base_decode", "adapters_f32_decode", "adapters_bf16_decode"];
        for (kind, name) in names.into_iter().enumerate() {
            let samples = Samples::new(rounds.iter().map(|round| rate(&round[kind])));
            report.figure(name, "token/s", samples);
        }
        for (kind, name) in [(1, "f32_time_over_base"), (2, "bf16_time_over_base")] {
            let ratios = rounds.iter().map(|round| rate(&round[0]) / rate(&round[kind]));
            report.figure(name, "", Samples::new(ratios));
        }
        self.common.show(&report)
    }

    /// Interleaved: each round runs every kind once, so that a machine that slows down slows all.
    fn measure(
        &self,
        session: &mut Session,
        kinds: &[&[Arc<Generation>]; 3],
    ) -> Result<Vec<[Timeline; 3]>> {
        let mut round = |seed: u64| -> Result<[Timeline; 3]> {
            let mut run = |kind: &[Arc<Generation>]| self.run_batch(session, kind, seed);
            Ok([run(kinds[0])?, run(kinds[1])?, run(kinds[2])?])
        };
        round(u64::MAX)?; // warms caches and threads
        (0..self.common.runs()).map(round).collect()
    }

    fn run_batch(
        &self,
        session: &mut Session,
        adapters: &[Arc<Generation>],
        seed: u64,
    ) -> Result<Timeline> {
        let Lengths { prompt, generate } = self.lengths;
        let requests = (0..self.adapters).zip(0..).map(|(request, index): (u64, usize)| {
            let seed = seed.wrapping_mul(self.adapters).wrapping_add(request);
            let mut work = session.work(prompt, generate, seed);
            work.adapter = adapters.get(index).cloned();
            work
        });
        session.run(requests.collect())
    }

    fn make_adapters(
        &self,
        session: &Session,
        dtype: AdapterDtype,
        folder: &Path,
    ) -> Result<Vec<Arc<Generation>>> {
        let make = |seed| -> Result<Arc<Generation>> {
            let base = self.common.model.display().to_string();
            let adapter = RandomAdapter { rank: self.rank, dtype, seed, base };
            let name = format!("{}-{seed}", dtype.name());
            let dir = folder.join(&name);
            adapter.write(&dir, &session.config)?;
            Ok(session.registry.load(&name, &dir, LoadPolicy::Create)?)
        };
        (0..self.adapters).map(make).collect()
    }
}
