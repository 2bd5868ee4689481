//! What is made of folders that evaluations left: reports, merges, comparisons.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use eval::report::{self, Options};

use super::bounds::BoundArgs;
use super::run;

/// Missing shares that a merge names.
const MAX_NAMED: usize = 8;

/// Arguments of `wardrobe eval report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The folder of an evaluation
    dir: PathBuf,
    /// Print results.json in place of the table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    bounds: BoundArgs,
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
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

/// Makes the report anew.
pub(super) fn report(args: &ReportArgs) -> Result<()> {
    let results = report::write(&args.dir, Options::default())?;
    args.bounds.all().iter().try_for_each(|bound| bound.check(&results.run))?;
    run::print(&results, args.json, &args.dir)?;
    args.bounds.hold(&results)
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
    if let Some((missing, count)) = &merged.missing {
        let named = missing.iter().take(MAX_NAMED).map(|share| format!("{share}/{count}"));
        let named = named.collect::<Vec<_>>().join(", ");
        let more = missing.len().saturating_sub(MAX_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        eprintln!("not the whole yet: {named}{more} missing");
    }
    let results = report::write(&args.output, Options::default())?;
    run::print(&results, false, &args.output)
}

/// Compares.
#[expect(clippy::print_stdout, reason = "the comparison is the command's result")]
pub(super) fn compare(args: &CompareArgs) -> Result<()> {
    let comparison = report::compare(&args.first, &args.second, Options::default())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&comparison)?);
    } else {
        print!("{}", comparison.terminal());
    }
    Ok(())
}
