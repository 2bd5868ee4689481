//! `wardrobe bench decode`: how fast one request is read and answered.

use super::common::{Common, Lengths};
use super::report::Report;
use super::session::{Session, Timeline};
use super::stats::Samples;
use anyhow::Result;

/// Arguments of `bench decode`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wardrobe bench decode --model checkpoints/initial --prompt 64 --generate 64
  wardrobe bench decode --model bench-model --runs 9 --json")]
pub(super) struct DecodeArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    lengths: Lengths,
}

impl DecodeArgs {
    pub(super) fn run(&self) -> Result<()> {
        let mut report = self.common.report("decode")?;
        self.lengths.describe(&mut report);
        let mut session = self.common.session(1, self.lengths)?;
        let runs = self.measure(&mut session)?;
        add_figures(&mut report, &runs, self.lengths.prompt);
        self.common.show(&report)
    }

    fn measure(&self, session: &mut Session) -> Result<Vec<Timeline>> {
        let Lengths { prompt, generate } = self.lengths;
        let mut run = |seed| session.run(vec![session.work(prompt, generate, seed)]);
        run(u64::MAX)?; // warms caches and threads
        (0..self.common.runs()).map(run).collect()
    }
}

fn add_figures(report: &mut Report, runs: &[Timeline], prompt: usize) {
    let decode = Samples::new(runs.iter().map(Timeline::decode_per_second));
    let prefill = runs.iter().map(|run| prompt as f64 / run.prefill().as_secs_f64());
    report.figure("decode", "token/s", decode);
    report.figure("prefill", "token/s", Samples::new(prefill));
    let first = Samples::new(runs.iter().map(|run| 1e3 * run.prefill().as_secs_f64()));
    report.figure("time_to_first_token", "ms", first);
}
