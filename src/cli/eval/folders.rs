//! What is made of folders that evaluations left: reports, merges, comparisons.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};
use clap::Args;
use eval::report::{self, Bound, Options};

use super::run;

/// Arguments of `wardrobe eval report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The folder of an evaluation
    dir: PathBuf,
    /// Print results.json in place of the table
    #[arg(long)]
    json: bool,
    /// Exit with 1 when a result is under a bound, as `wardrobe eval --fail-under`
    #[arg(long, value_name = "BOUND", value_parser = Bound::from_str)]
    fail_under: Vec<Bound>,
}

/// Arguments of `wardrobe eval merge`.
#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The folders of the shares
    #[arg(required = true, num_args = 2.., value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// Arguments of `wardrobe eval compare`.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The evaluation that is compared with
    first: PathBuf,
    /// The evaluation that is compared
    second: PathBuf,
    /// An arm of the first run beside one of the second (again for more) [default: those of one label]
    #[arg(long, value_name = "FIRST=SECOND", value_parser = pair)]
    pair: Vec<(String, String)>,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

/// Makes the report anew.
pub(super) fn report(args: &ReportArgs) -> Result<()> {
    let results = report::write(&args.dir, Options::default())?;
    run::print(&results, args.json, &args.dir)?;
    for bound in &args.fail_under {
        let judgement = bound.judge(&results)?;
        if !judgement.passed {
            bail!("{}", judgement.sentence);
        }
    }
    Ok(())
}

/// Merges, and reports on the whole.
#[expect(clippy::print_stderr, reason = "what was merged is told beside the table")]
pub(super) fn merge(args: &MergeArgs) -> Result<()> {
    let merged = eval::merge(&args.dirs, &args.output)?;
    eprintln!(
        "merged {} folders: {} problems, {} samples, {} failed",
        args.dirs.len(),
        merged.problems,
        merged.graded,
        merged.failed
    );
    let results = report::write(&args.output, Options::default())?;
    run::print(&results, false, &args.output)
}

/// Compares.
#[expect(clippy::print_stdout, reason = "the comparison is the command's result")]
pub(super) fn compare(args: &CompareArgs) -> Result<()> {
    let comparison = report::compare(&args.first, &args.second, &args.pair, Options::default())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&comparison)?);
    } else {
        print!("{}", comparison.terminal());
    }
    Ok(())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((first, second)) if !first.is_empty() && !second.is_empty() => {
            Ok((first.to_owned(), second.to_owned()))
        }
        _ => Err(format!("expected FIRST=SECOND, such as base=sft, found `{text}`")),
    }
}
