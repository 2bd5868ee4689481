//! One evaluation from flags to table: a server of our own where asked for, a clean end at Ctrl-C,
//! the report, and what CI is told.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, FromArgMatches};
use eval::report::{self, Options, Results};
use eval::{Ended, Interrupt, Settings, Shard};

use super::RunArgs;
use super::local_server::LocalServer;
use super::progress::Progress;
use crate::cli::interrupt::Signals;
use crate::cli::{config_file, log};

/// Runs an evaluation, and reports on what it has.
pub(super) fn run(args: RunArgs) -> Result<()> {
    let args = with_config_file(args)?;
    let stop = Interrupt::default();
    // What the flags get wrong should not cost the time to load a model.
    args.settings(args.serve.then_some("http://127.0.0.1"))?;
    if args.serve {
        log::init();
    }
    let server = args.serve.then(|| LocalServer::start(&args.model, &args.engine)).transpose()?;
    let settings = args.settings(server.as_ref().map(LocalServer::url))?;
    if args.shard.is_none() {
        settings.shard.as_ref().inspect(|shard| tell_of_share(shard));
    }
    listen_for_signals(&stop)?;
    let progress = Progress::default();
    let ended = eval::evaluate(&settings, &|event| progress.show(event), &stop);
    progress.finish();
    let stopped = server.map_or(Ok(()), LocalServer::stop);
    // Where both failed, what the evaluation says counts: the server's end is a part of it.
    let ended = ended?;
    stopped?;
    if ended.interrupted {
        bail!(
            "interrupted: {} of {} samples are in {}; run again with the same arguments to go on",
            ended.graded,
            ended.total,
            settings.output.display()
        );
    }
    let results = report::write(&settings.output, Options::default())?;
    print(&results, args.json, &settings.output)?;
    judge(&args, &settings, &ended, &results)
}

/// The table, or the results as JSON.
#[expect(clippy::print_stdout, reason = "the table is the command's result")]
pub(super) fn print(results: &Results, json: bool, folder: &Path) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(results)?);
    } else {
        print!("{}", results.terminal());
        println!("\nreport: {}", folder.join("report.html").display());
    }
    Ok(())
}

/// Fails where something is missing or a bound is not kept.
fn judge(args: &RunArgs, settings: &Settings, ended: &Ended, results: &Results) -> Result<()> {
    if ended.failed > 0 {
        bail!(
            "{} of {} samples have no verdict, for the server or the grader failed (the reasons are in \
             {}); run again with the same arguments for the rest",
            ended.failed,
            ended.total,
            settings.output.join("samples.jsonl").display()
        );
    }
    args.bounds.hold(results)
}

/// Parses again with the file's arguments before the command line's.
fn with_config_file(args: RunArgs) -> Result<RunArgs> {
    let Some(path) = &args.config else { return Ok(args) };
    let command = RunArgs::augment_args(clap::Command::new("wardrobe eval"));
    let mut all: Vec<OsString> = vec!["wardrobe eval".into()];
    all.extend(config_file::arguments(path, &command)?);
    all.extend(std::env::args_os().skip(2));
    let matches = command.get_matches_from(all);
    RunArgs::from_arg_matches(&matches)
        .with_context(|| format!("{} and the command line do not agree", path.display()))
}

/// At the first Ctrl-C or SIGTERM what is under way may end; at the second the program does.
fn listen_for_signals(stop: &Interrupt) -> Result<()> {
    let mut signals = Signals::listen()?;
    let stop = stop.clone();
    std::thread::spawn(move || {
        signals.next();
        say_that_it_stops();
        stop.set();
        signals.next();
        std::process::exit(1);
    });
    Ok(())
}

#[expect(clippy::print_stderr, reason = "what the environment decides is told")]
fn tell_of_share(shard: &Shard) {
    eprintln!("share {shard} of the problems, as SLURM_ARRAY_TASK_ID says; --shard 1/1 asks all");
}

#[expect(clippy::print_stderr, reason = "progress belongs on stderr")]
fn say_that_it_stops() {
    eprintln!("stopping: answers under way may end; a second signal ends the program at once");
}
