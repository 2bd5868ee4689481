//! `wardrobe dequantize`: a quantized model to dense safetensors.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use export::{DequantizeReport, DequantizeRequest, dequantize};

use super::loading;
use super::progress::{Shown, VALUES};
use super::result_args::{ResultArgs, StorageArgs};
use super::target::{Kind, Target};
use crate::TOOL;

/// Arguments of `wardrobe dequantize`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads bitsandbytes (NF4, FP4, LLM.int8), GPTQ, AWQ, compressed-tensors, FP8 and GGUF.

Examples:
  wardrobe dequantize --model Qwen/Qwen2.5-7B-Instruct-AWQ --output dense
  wardrobe dequantize --model nf4-model --dtype f32 --output dense
  wardrobe dequantize --model model-q4_k_m.gguf --output dense")]
pub(super) struct DequantizeArgs {
    /// The model: a folder in Hugging Face layout, a hub id, or a GGUF file
    #[arg(long, value_name = "PATH|HUB_ID")]
    model: String,
    /// The folder to write
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    result: ResultArgs,
}

/// De-quantizes and says what came of it.
pub(super) fn run(args: &DequantizeArgs) -> Result<()> {
    let inputs = [Path::new(&args.model)];
    let _target = Target::claim(&args.output, Kind::Folder, args.result.force, &inputs)?;
    let request = DequantizeRequest {
        model: loading::find(&args.model)?,
        model_name: loading::title_of(&args.model)?,
        storage: args.storage.storage(),
        existing: args.result.existing(),
        tool: TOOL.to_owned(),
    };
    let shown = Shown::new(VALUES);
    let progress = |done, all| shown.share(done, all, "written");
    let report = dequantize(&request, &args.output, &progress);
    shown.finish();
    show(args, &report?)
}

fn show(args: &DequantizeArgs, report: &DequantizeReport) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if args.result.json {
        writeln!(out, "{}", serde_json::to_string_pretty(report)?)?;
        return Ok(());
    }
    let DequantizeReport { tensors, quantized, method, .. } = report;
    writeln!(out, "{quantized} of {tensors} tensors were stored in blocks by {method}")?;
    let dtypes = report.dtypes.join(" and ");
    writeln!(out, "wrote {} as {dtypes} ({})", args.output.display(), report.digest)?;
    Ok(())
}
