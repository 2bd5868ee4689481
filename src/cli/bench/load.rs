//! `wardrobe bench load`: from the call that loads an adapter to its first token.

use super::common::{Common, Lengths, whole_number};
use super::random_adapter::{AdapterDtype, RandomAdapter};
use super::session::Session;
use super::stats::Samples;
use crate::adapters::LoadPolicy;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Instant;

/// Arguments of `bench load`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  wardrobe bench load --model checkpoints/initial --rank 64 --dtype bf16")]
pub(super) struct LoadArgs {
    #[command(flatten)]
    common: Common,
    /// Tokens of the prompt that the adapter answers.
    #[arg(long, value_name = "TOKENS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    prompt: u16,
    /// Rank of the adapter, which is made at random on every linear.
    #[arg(long, value_name = "R", default_value_t = 16, value_parser = whole_number(1))]
    rank: usize,
    /// How the adapter's weights are stored.
    #[arg(long, value_enum, default_value_t = AdapterDtype::F32)]
    dtype: AdapterDtype,
}

/// Seconds of one load.
struct Timing {
    load: f64,
    answer: f64,
}

impl LoadArgs {
    pub(super) fn run(&self) -> Result<()> {
        let mut report = self.common.report("load")?;
        report.say("prompt_tokens", self.prompt);
        report.say("rank", self.rank);
        report.say("adapter_dtype", self.dtype.name());
        let lengths = Lengths { prompt: usize::from(self.prompt), generate: 4 };
        let mut session = self.common.session(1, lengths)?;
        let folder = tempfile::tempdir().context("the adapters need a temporary folder")?;
        session.run(vec![session.work(usize::from(self.prompt), 4, u64::MAX)])?;
        let mut timings = Vec::new();
        let mut bytes = 0;
        for seed in 0..self.common.runs() {
            // Every load has new content: the registry shares what it knows already.
            let dir = folder.path().join(format!("adapter-{seed}"));
            bytes = self.make_adapter(&session, &dir, seed)?;
            timings.push(self.time(&mut session, &dir, seed)?);
        }
        report.say("adapter_mb", (bytes as f64 / 1e5).round() / 10.0);
        let ms = |pick: fn(&Timing) -> f64| Samples::new(timings.iter().map(|t| 1e3 * pick(t)));
        report.figure("load", "ms", ms(|timing| timing.load));
        report.figure("first_token", "ms", ms(|timing| timing.answer));
        report.figure("load_to_first_token", "ms", ms(|timing| timing.load + timing.answer));
        self.common.show(&report)
    }

    /// Writes a new adapter and returns its weights' size in bytes.
    fn make_adapter(&self, session: &Session, dir: &Path, seed: u64) -> Result<u64> {
        let base = self.common.model.display().to_string();
        let adapter = RandomAdapter { rank: self.rank, dtype: self.dtype, seed, base };
        adapter.write(dir, &session.config)?;
        Ok(fs_err::metadata(dir.join("adapter_model.safetensors"))?.len())
    }

    fn time(&self, session: &mut Session, dir: &Path, seed: u64) -> Result<Timing> {
        let mut work = session.work(usize::from(self.prompt), 1, seed);
        let start = Instant::now();
        let generation = session.registry.load("fresh", dir, LoadPolicy::Replace)?;
        let load = start.elapsed().as_secs_f64();
        work.adapter = Some(generation);
        session.run(vec![work])?;
        Ok(Timing { load, answer: start.elapsed().as_secs_f64() - load })
    }
}
