//! `wardrobe merge`: a base and adapters to a model of its own.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use export::gguf::Origin;
use export::merge::{Combination, MajoritySign, MergeReport, MergeRequest, Source, merge};

use super::adapter_args::AdapterArgs;
use super::choose_base::{Original, choose, sentence};
use super::loading;
use super::model_args::DEFAULT_MODEL;
use super::progress::{Shown, VALUES};
use super::result_args::{ResultArgs, StorageArgs};
use super::target::{Kind, Target};
use super::training_data::training_data;
use crate::TOOL;

/// Arguments of `wardrobe merge`.
#[derive(Debug, Args)]
#[command(mut_arg("adapter", |adapter| adapter.required(true)))]
#[command(after_help = "\
Examples:
  wardrobe merge --adapter checkpoints/sft --output merged
  wardrobe merge --model Qwen/Qwen2.5-0.5B-Instruct --adapter mine --dtype f16 --output merged
  wardrobe merge --adapter a --weight 0.7 --adapter b --weight 0.3 --output both
  wardrobe merge --model nf4 --original full --choose-base held-out.jsonl --adapter a --output merged
  wardrobe merge --adapter a --weight 1 --adapter b --weight 1 --combine ties --density 0.5 --output both")]
pub(super) struct MergeArgs {
    /// The base: a folder in Hugging Face layout, a GGUF file, or a hub id
    #[arg(long, value_name = "PATH|HUB_ID", default_value = DEFAULT_MODEL)]
    model: String,
    #[command(flatten)]
    adapters: AdapterArgs,
    /// How several adapters become one: their exact sum, or PEFT's add_weighted_adapter by its names
    #[arg(long, value_name = "NAME", default_value = "sum", value_parser = Combination::NAMES)]
    combine: String,
    /// Share of the values that ties, dare and magnitude_prune keep
    #[arg(long, value_name = "0..1")]
    density: Option<f64>,
    /// What decides a value's sign in ties
    #[arg(long, value_enum, value_name = "METHOD", default_value = "total")]
    majority_sign_method: SignArg,
    /// Rank that svd cuts to [default: the largest of the adapters']
    #[arg(long, value_name = "RANK", value_parser = clap::value_parser!(u32).range(1..))]
    svd_rank: Option<u32>,
    /// Decides what dare drops
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The folder to write
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    storage: StorageArgs,
    /// Take tokenizer and chat template from this folder instead of the base's
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// The model that --model was quantized from; needs --choose-base
    #[arg(long, value_name = "PATH|HUB_ID", requires = "choose_base")]
    original: Option<String>,
    /// Merge onto --model and onto --original, keep the merge with the lower loss on this JSONL file. Takes
    /// room on the disk for a second merge, and memory for the weights of one, as stored
    #[arg(long, value_name = "DATA", requires = "original")]
    choose_base: Option<PathBuf>,
    #[command(flatten)]
    result: ResultArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SignArg {
    /// The sign of the sum
    Total,
    /// The sign of the most
    Frequency,
}

/// Merges and says what came of it.
pub(super) fn run(args: &MergeArgs) -> Result<()> {
    let mut request = request(args)?;
    let inputs: Vec<&Path> = args
        .adapters
        .adapter
        .iter()
        .map(PathBuf::as_path)
        .chain([Path::new(&args.model)])
        .collect();
    let _target = Target::claim(&args.output, Kind::Folder, args.result.force, &inputs)?;
    if let (Some(original), Some(data)) = (&args.original, &args.choose_base) {
        let (model, name) = (loading::find(original)?, loading::title_of(original)?);
        choose(&mut request, Original { model, name }, data, &args.output)?;
    }
    let shown = Shown::new(VALUES);
    let progress = |done, all| shown.share(done, all, "written");
    let report = merge(&request, &args.output, &progress);
    shown.finish();
    show(args, &report?)
}

fn request(args: &MergeArgs) -> Result<MergeRequest> {
    let sign = match args.majority_sign_method {
        SignArg::Total => MajoritySign::Total,
        SignArg::Frequency => MajoritySign::Frequency,
    };
    let rank = args.svd_rank.map(|rank| rank as usize);
    let combination = Combination::named(&args.combine, args.density, sign, args.seed, rank);
    Ok(MergeRequest {
        model: loading::find(&args.model)?,
        model_name: loading::title_of(&args.model)?,
        choice: None,
        adapters: args.adapters.weighed()?,
        data: data(args)?,
        combination: combination.map_err(|error| anyhow::anyhow!("--combine {error}"))?,
        combine: args.combine.clone(),
        storage: args.storage.storage(),
        tokenizer: args.tokenizer.clone(),
        existing: args.result.existing(),
        tool: TOOL.to_owned(),
    })
}

/// What the adapters were trained on, where their runs left a record.
fn data(args: &MergeArgs) -> Result<Vec<Source>> {
    let mut data = Vec::new();
    for adapter in &args.adapters.adapter {
        let Some(Origin { name, digest }) = training_data(adapter)? else { continue };
        data.push(Source { name, digest });
    }
    Ok(data)
}

#[expect(clippy::print_stderr, reason = "warnings belong on stderr")]
fn show(args: &MergeArgs, report: &MergeReport) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    if args.result.json {
        writeln!(out, "{}", serde_json::to_string_pretty(report)?)?;
        return Ok(());
    }
    if let Some(choice) = &report.base_choice {
        writeln!(out, "{}", sentence(choice))?;
    }
    let total = &report.total;
    let tensors = report.modules.len();
    writeln!(out, "{tensors} tensors change, by {:.4} of the base's length in all", total.ratio)?;
    writeln!(out, "{:<44}{:>10}{:>10}{:>10}", "largest", "|delta|", "of |W|", "lost")?;
    let mut modules: Vec<_> = report.modules.iter().collect();
    modules.sort_by(|a, b| b.change.ratio.total_cmp(&a.change.ratio));
    for module in modules.iter().take(5) {
        let change = module.change;
        let lost = percent(change.lost, change.changed);
        writeln!(
            out,
            "{:<44}{:>10.4}{:>10.4}{lost:>10}",
            module.tensor, change.delta_norm, change.ratio
        )?;
    }
    let lost = percent(total.lost, total.changed);
    writeln!(
        out,
        "rounding to {} undoes {lost} of the changed values",
        report.dtypes.join(" and ")
    )?;
    writeln!(out, "wrote {} ({})", args.output.display(), report.digest)?;
    Ok(())
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}
