//! The command line: arguments to configs to calls, one file a verb.

mod train;
mod train_display;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One base model, many LoRA adapters to wear: serve them, train them.
#[derive(Debug, Parser)]
#[command(name = "wardrobe", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train an adapter, or a base from scratch
    Train(train::TrainArgs),
}

/// Parses the arguments and runs the command. Exit status: 0 done, 1 failed, 2 wrong usage.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(args) => train::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the one place where an error reaches the user")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
