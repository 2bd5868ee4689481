//! `wardrobe completions SHELL`: the shell's completion script on stdout.

use std::io::Write;

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Arguments of `wardrobe completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wardrobe completions bash > /etc/bash_completion.d/wardrobe
  wardrobe completions zsh > ~/.zfunc/_wardrobe")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "wardrobe", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}
