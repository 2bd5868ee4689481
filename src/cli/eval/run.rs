//! One evaluation from flags to table: a server of our own where asked for, a clean end at Ctrl-C,
//! the report, and what CI is told.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use eval::report::{self, Options, Results};
use eval::{Ended, Place, Settings, Shard, Stop};

use super::RunArgs;
use super::local_server::LocalServer;
use super::progress::Progress;
use crate::cli::interrupt::{self, Waiting};
use crate::cli::{config_file, log, terminal};

/// Runs an evaluation, and reports on what it has.
pub(super) fn run(args: RunArgs) -> Result<ExitCode> {
    let args = match &args.config {
        Some(path) => config_file::parsed(path, "wardrobe eval")?,
        None => args,
    };
    let stop = Stop::default();
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
    let asker = stop.clone();
    let asked = interrupt::ask_first(move || {
        asker.ask();
        Waiting::For("stopping, answers under way may end")
    })?;
    let progress = Progress::default();
    let ended = eval::evaluate(&settings, &|event| progress.show(event), &stop);
    progress.finish();
    let stopped = server.map_or(Ok(()), LocalServer::stop);
    // Where both failed, what the evaluation says counts: the server's end is a part of it.
    let ended = match (ended, asked.status()) {
        (Err(stopped @ eval::Error::Stopped), Some(status)) => {
            return Ok(stopped_by_signal(&stopped.to_string(), status));
        }
        (ended, _) => ended?,
    };
    stopped?;
    if ended.interrupted {
        let how_far = format!(
            "interrupted: {} of {} samples are in {}; run again with the same arguments to go on",
            ended.graded,
            ended.total,
            settings.output.display()
        );
        return Ok(stopped_by_signal(&how_far, asked.status().unwrap_or(1)));
    }
    let results = report::write(&settings.output, Options::default())?;
    print(&results, args.json, Some(&settings.output))?;
    judge(&args, &settings, &ended, &results)?;
    Ok(ExitCode::SUCCESS)
}

/// Says how far it came, and ends as a shell expects of a program that a signal ended.
fn stopped_by_signal(how_far: &str, status: u8) -> ExitCode {
    interrupt::say(&format!("{} {how_far}", terminal::red("error:")));
    ExitCode::from(status)
}

/// The table, or the results as JSON.
#[expect(clippy::print_stdout, reason = "the table is the command's result")]
pub(super) fn print(results: &Results, json: bool, folder: Option<&Path>) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(results)?);
    } else {
        print!("{}", results.terminal());
        if let Some(folder) = folder {
            println!("\nreport: {}", Place::new(folder).page().display());
        }
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
            Place::new(&settings.output).samples().display()
        );
    }
    args.bounds.hold(results)
}

#[expect(clippy::print_stderr, reason = "what the environment decides is told")]
fn tell_of_share(shard: &Shard) {
    eprintln!("share {shard} of the problems, as SLURM_ARRAY_TASK_ID says; --shard 1/1 asks all");
}
