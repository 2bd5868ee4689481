//! `wardrobe eval`: a suite against a server's models, and what is made of the folders that it leaves.

mod args;
mod bounds;
mod folders;
mod list;
mod local_server;
mod part;
mod progress;
mod run;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

pub(super) use args::RunArgs;
use bounds::FORMS;

/// Arguments of `wardrobe eval`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = format!("{EXAMPLES}\n\n{FORMS}"))]
pub(super) struct EvalArgs {
    #[command(subcommand)]
    command: Option<EvalCommand>,
    #[command(flatten)]
    run: Box<RunArgs>,
}

const EXAMPLES: &str = "\
Examples:
  wardrobe eval countdown --serve                          the demo base and its adapters, offline
  wardrobe eval countdown --url http://127.0.0.1:8080 --arm base --arm sft --samples 5 --k 1,5
  wardrobe eval my/suite.toml --url https://api.example.com --arm MODEL --fail-under 0.7
  wardrobe eval countdown --completions answers.jsonl      grade given answers, with no server
  wardrobe eval list                                       the suites that come with the program
  wardrobe eval report outputs/before                      its tables and pages made anew
  wardrobe eval merge out/1 out/2 --output out/all         shares of --shard i/N together
  wardrobe eval compare outputs/before outputs/after       two runs of one suite";

#[derive(Debug, Subcommand)]
enum EvalCommand {
    /// List the suites that come with the program
    List,
    /// Make results.json, report.md and report.html of a folder anew, and print the table
    Report(folders::ReportArgs),
    /// Put the shares of one evaluation together
    Merge(folders::MergeArgs),
    /// Compare two evaluations of the same problems, paired
    Compare(folders::CompareArgs),
}

/// Runs `wardrobe eval`.
pub(super) fn run(args: EvalArgs) -> Result<ExitCode> {
    match args.command {
        Some(EvalCommand::List) => list::run(),
        Some(EvalCommand::Report(args)) => folders::report(&args),
        Some(EvalCommand::Merge(args)) => folders::merge(&args),
        Some(EvalCommand::Compare(args)) => folders::compare(&args),
        None => return run::run(*args.run),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a setting was at fault.
pub(super) fn is_wrong_usage(error: &anyhow::Error) -> bool {
    use ::eval::{Error, report};
    let of_reports =
        matches!(error.downcast_ref(), Some(report::Error::Bound { .. } | report::Error::Part(_)));
    let of_settings = matches!(
        error.downcast_ref(),
        Some(Error::Setting(_) | Error::UnknownSuite { .. } | Error::UnknownPrompt { .. })
    );
    of_settings || of_reports
}
