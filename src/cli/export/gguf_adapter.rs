//! `wardrobe export gguf-adapter`: a LoRA adapter as a GGUF file.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use export::gguf::{FileType, GgufOptions, Origin, Provenance, write_gguf_adapter};
use export::hexadecimal;
use formats::peft::AdapterFiles;
use formats::whole::Existing;
use formats::{ModelConfig, Quantization};
use serde_json::json;

use super::display;
use super::gguf::file_type;
use super::source::last_part;
use super::training_data::training_data;
use crate::cli::loading;
use crate::cli::model_args::DEFAULT_MODEL;

/// Arguments of `wardrobe export gguf-adapter`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GgufAdapterArgs {
    /// The base that the adapter was trained on: a folder in Hugging Face layout, or a hub id
    #[arg(long, value_name = "PATH|HUB_ID", default_value = DEFAULT_MODEL)]
    model: String,
    /// The adapter, in PEFT's layout
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// How A and B are stored: f32, f16 or bf16
    #[arg(long = "type", value_name = "TYPE", default_value = "f32", value_parser = file_type)]
    file_type: FileType,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// The adapter's name in the file [default: its folder's]
    #[arg(long)]
    name: Option<String>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  wardrobe export gguf --type q8_0 --output base.gguf
  wardrobe export gguf-adapter --adapter checkpoints/sft --output sft-lora.gguf
  llama-cli -m base.gguf --lora sft-lora.gguf

DoRA, biases and modules saved whole cannot be said in such a file: merge them (wardrobe export gguf --adapter).";

/// Writes the file and says what it is.
pub(super) fn run(args: &GgufAdapterArgs) -> Result<()> {
    let dir = loading::find_folder(&args.model)?;
    let base = match Quantization::read(&dir)? {
        Some(_) => ModelConfig::read_shape(&dir)?,
        None => ModelConfig::read(&dir)?,
    };
    let files = AdapterFiles::map(&args.adapter)
        .with_context(|| format!("cannot read --adapter {}", args.adapter.display()))?;
    let name = last_part(&args.adapter.display().to_string());
    let digest = hexadecimal(&files.digest());
    let options = GgufOptions {
        file_type: args.file_type,
        importance: None,
        name: args.name.clone().unwrap_or_else(|| name.clone()),
        provenance: Provenance {
            tool: concat!("wardrobe ", env!("CARGO_PKG_VERSION")).to_owned(),
            base: Some(Origin { name: last_part(&args.model), digest: String::new() }),
            adapters: vec![Origin { name, digest }],
            data: training_data(&args.adapter)?.into_iter().collect(),
        },
        existing: if args.force { Existing::Replace } else { Existing::Refuse },
    };
    let report = write_gguf_adapter(&files, &base, &options, &args.output)?;
    display::warn(&report.warnings);
    let shown = args.output.display();
    let object = json!({
        "output": shown.to_string(),
        "type": args.file_type.name(),
        "bytes": report.bytes,
        "sha256": report.sha256,
        "tensors": report.tensors.len(),
        "warnings": report.warnings,
    });
    let lines = format!(
        "{shown}: {} tensors, {}, {:.1} MB\nsha256 {}\n",
        report.tensors.len(),
        args.file_type,
        report.bytes as f64 / 1e6,
        report.sha256
    );
    display::result(args.json, &object, &lines)
}
