//! What is made of folders that evaluations left: reports, merges, comparisons.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use eval::report::{self, Options};

use super::bounds::{BoundArgs, FORMS};
use super::part::PartArgs;
use super::run;

/// Missing shares that a merge names.
const MAX_NAMED: usize = 8;

/// Arguments of `wardrobe eval report`.
#[derive(Debug, Args)]
#[command(after_help = FORMS)]
pub(super) struct ReportArgs {
    /// The folder of an evaluation
    dir: PathBuf,
    /// Print results.json in place of the table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    bounds: BoundArgs,
    #[command(flatten, next_help_heading = "A part of it: the table alone, no file is written")]
    part: PartArgs,
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

/// Makes the report anew, or tells of a part.
pub(super) fn report(args: &ReportArgs) -> Result<()> {
    let part = args.part.part();
    let (results, folder) = match part.is_whole() {
        true => (report::write(&args.dir, Options::default())?, Some(&*args.dir)),
        false => (report::part_results(&args.dir, &part, Options::default())?, None),
    };
    args.bounds.all().iter().try_for_each(|bound| bound.check(&results.run))?;
    run::print(&results, args.json, folder)?;
    args.bounds.hold(&results)
}

/// Merges, and reports on the whole.
#[expect(clippy::print_stderr, reason = "what was merged is told beside the table")]
pub(super) fn merge(args: &MergeArgs) -> Result<()> {
    let merged = eval::merge(&args.dirs, &args.output)?;
    eprintln!(
        "merged {} folders: {} problems, {} samples, {} without a grade",
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
    run::print(&results, false, Some(&args.output))
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
