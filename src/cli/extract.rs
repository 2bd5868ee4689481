//! `wardrobe extract`: the difference of two models as an adapter.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use export::extract::{ExtractReport, ExtractRequest, extract};

use super::loading;
use super::model_args::DEFAULT_MODEL;
use super::progress::{Shown, VALUES};
use super::result_args::{DtypeArg, ResultArgs};
use super::target::{Kind, Target};

/// Arguments of `wardrobe extract`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wardrobe extract --model Qwen/Qwen2.5-0.5B --tuned full-finetune --rank 32 --output adapter
  wardrobe extract --model base --tuned merged --rank 8 --dtype f32 --output adapter --json")]
pub(super) struct ExtractArgs {
    /// The base: a folder in Hugging Face layout, or a hub id
    #[arg(long, value_name = "PATH|HUB_ID", default_value = DEFAULT_MODEL)]
    model: String,
    /// The model that was made from it by training
    #[arg(long, value_name = "PATH|HUB_ID")]
    tuned: String,
    /// Rank of the adapter: more hold more of the difference
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    rank: u32,
    /// The adapter folder to write
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Type of the adapter's tensors
    #[arg(long, value_enum, default_value = "f32")]
    dtype: DtypeArg,
    #[command(flatten)]
    result: ResultArgs,
}

/// Extracts and says how much of the difference was kept.
pub(super) fn run(args: &ExtractArgs) -> Result<()> {
    let inputs = [Path::new(&args.model), Path::new(&args.tuned)];
    let _target = Target::claim(&args.output, Kind::Folder, args.result.force, &inputs)?;
    let request = ExtractRequest {
        model: loading::find_folder(&args.model)?,
        model_name: loading::title_of(&args.model)?,
        tuned: loading::find_folder(&args.tuned)?,
        rank: args.rank as usize,
        dtype: args.dtype.dtype(),
        existing: args.result.existing(),
    };
    let shown = Shown::new(VALUES);
    let progress = |done, all| shown.share(done, all, "written");
    let report = extract(&request, &args.output, &progress);
    shown.finish();
    show(args, &report?)
}

#[expect(clippy::print_stderr, reason = "warnings belong on stderr")]
fn show(args: &ExtractArgs, report: &ExtractReport) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    if args.result.json {
        writeln!(out, "{}", serde_json::to_string_pretty(report)?)?;
        return Ok(());
    }
    writeln!(out, "{:<40}{:>12}{:>10}", "least kept of", "|delta|", "kept")?;
    let mut modules: Vec<_> = report.modules.iter().collect();
    modules.sort_by(|a, b| a.energy_kept.total_cmp(&b.energy_kept));
    for module in modules.iter().take(5) {
        let kept = 100.0 * module.energy_kept;
        writeln!(out, "{:<40}{:>12.4}{kept:>8.2} %", module.module, module.delta_norm)?;
    }
    let kept = 100.0 * report.energy_kept;
    writeln!(out, "rank {} keeps {kept:.2} % of the linears' squared difference", args.rank)?;
    for module in &report.saved {
        writeln!(out, "{module} is saved whole")?;
    }
    writeln!(out, "wrote {}", args.output.display())?;
    Ok(())
}
