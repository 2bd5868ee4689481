//! `wardrobe data`: make or fetch data, and look at it as the trainer sees it.

mod fetch;

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use crate::datasets::countdown::{self, Mixture, Split};
use crate::datasets::{Dataset, Encoder, LoadOptions, LossOn, preview};
use crate::model::{ChatTemplate, Tokenizer};

use crate::cli::progress::Shown;
use crate::cli::terminal;
use crate::cli::usage::at_least_one;

/// Arguments of `wardrobe data`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wardrobe data generate countdown --kind sft --n 1000 --seed 7 --output data/sft.jsonl
  wardrobe data generate countdown --kind problems --split test --n 100
  wardrobe data fetch countdown
  wardrobe data show data/sft.jsonl --model checkpoints/initial --n 3")]
pub(super) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Make data from a seed; the same arguments give the same bytes
    #[command(subcommand)]
    Generate(Generator),
    /// Fetch a data set of the hub into the data folder
    Fetch(fetch::FetchArgs),
    /// Show examples of a data file with the tokens that would be trained, and its counts
    Show(ShowArgs),
}

#[derive(Debug, Subcommand)]
enum Generator {
    /// Countdown problems, worked searches and plain arithmetic chat
    Countdown(CountdownArgs),
}

/// What kind of records to make.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// For a base: searches in random order, and arithmetic chat
    Pretrain,
    /// For an adapter: searches in a fixed order that leave nothing out
    Sft,
    /// Problems alone: numbers, target and the user's message
    Problems,
}

/// Which problems; the two never overlap, whatever the seed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Half {
    /// Problems to train on
    Train,
    /// Held-out problems
    Test,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wardrobe data generate countdown --kind pretrain --n 40000 --output data/pretrain.jsonl
  wardrobe data generate countdown --kind problems --split test --n 500 --seed 20000 --output data/problems.jsonl")]
struct CountdownArgs {
    /// What kind of records
    #[arg(long, value_enum, default_value = "sft")]
    kind: Kind,
    /// Training or held-out problems
    #[arg(long, value_enum, default_value = "train")]
    split: Half,
    /// Number of records
    #[arg(long, default_value_t = 1000, value_parser = at_least_one)]
    n: usize,
    /// Decides every record
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// JSONL file to write; stdout if left out
    #[arg(long)]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wardrobe data show data/sft.jsonl --n 1
  wardrobe data show chats.parquet --model Qwen2.5-0.5B-Instruct --max-length 512")]
struct ShowArgs {
    /// JSONL, parquet or CSV file
    file: PathBuf,
    /// Model folder whose tokenizer and chat template apply
    #[arg(long, default_value = "checkpoints/initial")]
    model: PathBuf,
    /// Examples to show
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    n: usize,
    /// Cut examples to this many tokens, as training would
    #[arg(long)]
    max_length: Option<usize>,
}

/// Runs `wardrobe data`.
pub(super) fn run(args: &DataArgs) -> Result<()> {
    match &args.command {
        DataCommand::Generate(Generator::Countdown(args)) => generate(args),
        DataCommand::Fetch(args) => fetch::run(args),
        DataCommand::Show(args) => show(args),
    }
}

fn generate(args: &CountdownArgs) -> Result<()> {
    let kind = match args.kind {
        Kind::Pretrain => Mixture::Pretrain,
        Kind::Sft => Mixture::Sft,
        Kind::Problems => Mixture::Problems,
    };
    let split = match args.split {
        Half::Train => Split::Train,
        Half::Test => Split::Test,
    };
    let records = countdown::generate(kind, split, args.n, args.seed);
    let made = match &args.output {
        Some(path) => save(records, path, args.n)?,
        None => print(records)?,
    };
    enough(made, args.n)
}

/// Fewer records than were asked for are a failure, wherever they went.
fn enough(made: usize, asked: usize) -> Result<()> {
    if made < asked {
        bail!("only {made} of {asked} distinct problems exist; ask for fewer with --n");
    }
    Ok(())
}

fn print(records: impl Iterator<Item = Value>) -> Result<usize> {
    let (mut out, mut made) = (std::io::stdout().lock(), 0);
    for record in records {
        writeln!(out, "{record}")?;
        made += 1;
    }
    out.flush()?;
    Ok(made)
}

fn save(records: impl Iterator<Item = Value>, path: &Path, asked: usize) -> Result<usize> {
    let shown = Shown::new("{bar:40} {pos}/{len} {per_sec} {eta}");
    let (mut text, mut made) = (String::new(), 0);
    for record in records {
        writeln!(text, "{record}")?;
        made += 1;
        let so_far = || format!("{made} of {asked} records");
        shown.at(made as u64, asked as u64, so_far);
    }
    shown.finish();
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    formats::whole::write_file(path, text.as_bytes())?;
    report(&format!("{made} records in {}", path.display()));
    Ok(made)
}

fn show(args: &ShowArgs) -> Result<()> {
    let tokenizer = Tokenizer::load(&args.model)
        .with_context(|| format!("cannot tokenize for {}", args.model.display()))?;
    let template = ChatTemplate::load(&args.model)?;
    let encoder =
        Encoder { tokenizer: &tokenizer, template: template.as_ref(), loss_on: LossOn::Replies };
    let options = LoadOptions { max_length: args.max_length, limit: None };
    let dataset = Dataset::load(&args.file, &encoder, options)?;
    let mut out = std::io::stdout().lock();
    for (index, example) in dataset.examples.iter().take(args.n).enumerate() {
        writeln!(out, "--- example {} ---", index + 1)?;
        for span in preview(example, &tokenizer)? {
            let text = if span.trained { mark(&span.text) } else { terminal::dim(&span.text) };
            write!(out, "{text}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", summary(&args.file, &dataset, &tokenizer))?;
    Ok(())
}

/// Trained text: green on a terminal, in brackets elsewhere.
fn mark(text: &str) -> String {
    if terminal::stdout_has_colour() { terminal::green(text) } else { format!("⟦{text}⟧") }
}

fn summary(file: &Path, dataset: &Dataset, tokenizer: &Tokenizer) -> String {
    let stats = &dataset.stats;
    let mut text = format!(
        "--- {} ---\n{} records, {} kept, {} dropped (nothing trained), {} cut ({:.1} %)\n\
         {} tokens, {} trained; longest record {} tokens",
        file.display(),
        stats.records,
        dataset.examples.len(),
        stats.dropped,
        stats.truncated,
        stats.truncated_percent(),
        stats.tokens,
        stats.trained_tokens,
        stats.longest,
    );
    if let Some(warning) = stats.divergence() {
        text += &format!("\nwarning: {warning}");
    }
    for (id, count) in &stats.trained_ends {
        let token = tokenizer.id_to_token(*id).unwrap_or_else(|| id.to_string());
        text += &format!("\ntrained replies end in {token}: {count} examples");
    }
    text
}

#[expect(clippy::print_stderr, reason = "a note to the person at the terminal")]
fn report(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::enough;

    #[test]
    fn a_shortage_is_a_failure() {
        assert!(enough(3, 3).is_ok());
        let error = enough(2, 3).unwrap_err().to_string();
        assert!(error.starts_with("only 2 of 3 distinct problems exist"), "{error}");
    }
}
