//! `wardrobe export`: final packages from a model and its adapters; one file a kind of package.

mod ollama;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Arguments of `wardrobe export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(subcommand)]
    command: ExportCommand,
}

#[derive(Debug, Subcommand)]
enum ExportCommand {
    /// A model for Ollama: a folder for `ollama create`, or straight into its store
    Ollama(Box<ollama::OllamaArgs>),
}

/// Runs the command.
pub(super) fn run(args: ExportArgs) -> Result<()> {
    match args.command {
        ExportCommand::Ollama(args) => ollama::run(&args),
    }
}
