//! What results are held to for CI: the flags, and the error where results do not keep it.

use std::str::FromStr;

use anyhow::{Result, bail};
use clap::Args;
use eval::report::{self, Bound, Results};

/// What BOUND is, at the end of a help.
pub(super) const FORMS: &str = "\
Bounds of --fail-under (shares are numbers from 0 to 1):
  0.5                                              the first measure of every arm is at least 0.5
  strict>=0.5                                      this measure of every arm; also >, <= and <
  sft:strict@5>0.3                                 pass@5 of one arm
  sft-base:strict>=0                               the difference of an arm and the reference
  low(sft:strict)>=0.4                             the lower end of its interval; high(...) the upper";

/// Flags of commands that print results.
#[derive(Debug, Args)]
pub(super) struct BoundArgs {
    /// Exit with 1 when a result is under a bound, or not all samples are graded: 0.5, strict>=0.5,
    /// sft:strict@5>0.3, sft-base:strict>=0, low(sft:strict)>=0.4; again for more
    #[arg(long, value_name = "BOUND", value_parser = Bound::from_str, help_heading = "Results")]
    fail_under: Vec<Bound>,
    /// Hold to --fail-under what there is, though samples are missing
    #[arg(long, requires = "fail_under", help_heading = "Results")]
    allow_incomplete: bool,
}

impl BoundArgs {
    /// The bounds.
    pub(super) fn all(&self) -> &[Bound] {
        &self.fail_under
    }

    /// Fails where samples are missing or a bound is not kept.
    pub(super) fn hold(&self, results: &Results) -> Result<()> {
        if self.fail_under.is_empty() {
            return Ok(());
        }
        if let Some(missing) = report::missing(results).filter(|_| !self.allow_incomplete) {
            bail!(
                "--fail-under is for whole evaluations: {missing}; run again or merge for the rest, or \
                 hold what there is to it with --allow-incomplete"
            );
        }
        for bound in &self.fail_under {
            let judgement = bound.judge(results)?;
            if !judgement.passed {
                bail!("{}", judgement.sentence);
            }
        }
        Ok(())
    }
}
