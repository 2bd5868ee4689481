//! The command line: arguments become configs, configs become calls; one file a verb.
//!
//! This layer alone reads the environment and decides the exit status: 0 done, 1 failed, 2 wrong
//! usage. Results go to stdout, everything else to stderr.

mod adapter_args;
mod bench;
mod chat;
mod choose_base;
mod completions;
mod config_file;
mod data;
mod dequantize;
mod eval;
mod export;
mod extract;
mod hub;
mod inspect;
mod interrupt;
mod loading;
mod log;
mod memory;
mod merge;
mod model_args;
mod progress;
mod push;
mod result_args;
mod sandbox;
mod serve;
mod size;
mod target;
mod terminal;
mod train;
mod train_display;
mod training_data;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use formats::whole;
use kernels::level::Level;

use crate::train::TrainError;
use usage::Usage;

/// One base model, many LoRA adapters to wear: serve them, talk to them, train them.
#[derive(Debug, Parser)]
#[command(name = "wardrobe", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  wardrobe serve                                   the demo base and its adapters on 127.0.0.1:8080
  wardrobe serve --model Qwen/Qwen2.5-0.5B-Instruct --adapter-dir adapters
  wardrobe chat --adapter sft                      a chat in the terminal
  wardrobe train sft --data data/sft.jsonl --output checkpoints/mine
  wardrobe data generate countdown --kind sft --n 1000 --output data/sft.jsonl
  wardrobe export gguf --adapter checkpoints/sft --type q4_k_m --output sft.gguf
  wardrobe merge --adapter checkpoints/sft --output merged
  wardrobe dequantize --model quantized --output dense
  wardrobe eval countdown --serve                  the base and its adapters on a suite, with intervals
  wardrobe inspect checkpoints/sft --model checkpoints/initial
  wardrobe completions bash > /etc/bash_completion.d/wardrobe

`wardrobe COMMAND --help` explains a command. Logs: WARDROBE_LOG=debug.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a model and its adapters over the OpenAI API
    Serve(Box<serve::ServeArgs>),
    /// Chat with a model in the terminal
    Chat(Box<chat::ChatArgs>),
    /// Make and show data to train on
    Data(data::DataArgs),
    /// Train an adapter, or a base from scratch
    Train(Box<train::TrainArgs>),
    /// Merge adapters into their base
    Merge(Box<merge::MergeArgs>),
    /// Turn a quantized model into dense safetensors
    Dequantize(dequantize::DequantizeArgs),
    /// Make an adapter of the difference of two models
    Extract(Box<extract::ExtractArgs>),
    /// Make a package for other programs of a model and its adapters
    Export(export::ExportArgs),
    /// Push a package to the hub, with a model card
    Push(push::PushArgs),
    /// Say what a folder or file is, and what is wrong with it
    Inspect(inspect::InspectArgs),
    /// Evaluate models and adapters on a suite, with intervals and paired tests
    Eval(eval::EvalArgs),
    /// Run a program one does not trust, or say how safely that can be done here
    Sandbox(sandbox::SandboxArgs),
    /// Measure speed and memory, reproducibly
    Bench(bench::BenchArgs),
    /// Print a shell's completion script
    Completions(completions::CompletionsArgs),
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // Kernels can only panic about it, and on a thread of their own.
    if let Err(error) = Level::from_env() {
        return fail(&Usage(error.to_string()).into());
    }
    let result = match command {
        Command::Serve(args) => serve::run(*args),
        Command::Chat(args) => chat::run(*args),
        Command::Data(args) => data::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Dequantize(args) => dequantize::run(&args),
        Command::Extract(args) => extract::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Inspect(args) => args.run(),
        Command::Eval(args) => return ended(eval::run(args)),
        Command::Sandbox(args) => return ended(sandbox::run(&args)),
        Command::Train(args) => return ended(train::run(*args)),
        Command::Bench(args) => args.run(),
        Command::Completions(args) => completions::run(&args),
    };
    ended(result.map(|()| ExitCode::SUCCESS))
}

/// The exit status of a command.
fn ended(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(status) => status,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// The reader of our output went away, as `head` does: it has what it wanted.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
    };
    error.chain().any(|cause| kind(cause) == Some(std::io::ErrorKind::BrokenPipe))
}

/// One line: what failed, and why, joined by colons.
#[expect(clippy::print_stderr, reason = "the one place where an error reaches the user")]
fn fail(error: &anyhow::Error) -> ExitCode {
    let line = whole::with_final_names(&format!("{error:#}")).replace('\n', " ");
    eprintln!("{} {line}", terminal::red("error:"));
    if is_wrong_usage(error) { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// A setting was at fault, wherever it came from.
fn is_wrong_usage(error: &anyhow::Error) -> bool {
    let of_flags = error.downcast_ref::<Usage>().is_some();
    let of_training = matches!(error.downcast_ref(), Some(TrainError::Setting(_)));
    of_flags || of_training || eval::is_wrong_usage(error)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command is shown at work in its own help or in that of a command above it.
    fn without_example(command: &clap::Command, path: &str, helps: &str) -> Vec<String> {
        let own = [command.get_after_help(), command.get_after_long_help()];
        let helps =
            own.into_iter().flatten().fold(helps.to_owned(), |all, help| all + &help.to_string());
        let mut found: Vec<String> = command
            .get_subcommands()
            .flat_map(|below| {
                without_example(below, &format!("{path} {}", below.get_name()), &helps)
            })
            .collect();
        if !command.has_subcommands() && !helps.contains(path) {
            found.push(path.to_owned());
        }
        found
    }

    #[test]
    fn every_command_is_shown_at_work() {
        assert_eq!(without_example(&Cli::command(), "wardrobe", ""), Vec::<String>::new());
    }

    #[test]
    fn a_broken_pipe_is_found_below_its_context() {
        let pipe = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::from(pipe).context("cannot print")));
        assert!(!is_broken_pipe(&anyhow::anyhow!("other")));
    }
}
