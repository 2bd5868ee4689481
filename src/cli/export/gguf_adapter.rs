//! `wardrobe export gguf-adapter`: a LoRA adapter as a GGUF file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use export::gguf::{FileType, GgufOptions, Origin, Provenance, write_gguf_adapter};
use export::model_digest;
use formats::ModelConfig;
use formats::digest::hexadecimal;
use formats::gguf::GgufFile;
use formats::peft::AdapterFiles;
use formats::whole::{DraftRoom, Existing};
use serde_json::json;

use super::display;
use super::gguf::file_type;
use super::source::last_part;
use super::verify::VerifyArgs;
use crate::TOOL;
use crate::cli::loading;
use crate::cli::model_args::DEFAULT_MODEL;
use crate::cli::result_args::ResultArgs;
use crate::cli::target::{Kind, Target, put_in_place};
use crate::cli::training_data::training_data;

/// Arguments of `wardrobe export gguf-adapter`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GgufAdapterArgs {
    /// The base that the adapter was trained on: a folder in Hugging Face layout, a GGUF file, or a hub id
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
    /// Leave out reading the file back and comparing it with what is served
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    result: ResultArgs,
}

const EXAMPLES: &str = "\
Examples:
  wardrobe export gguf --type q8_0 --output base.gguf
  wardrobe export gguf-adapter --adapter checkpoints/sft --output sft-lora.gguf
  llama-cli -m base.gguf --lora sft-lora.gguf

DoRA, biases and modules saved whole cannot be said in such a file: merge them (wardrobe export gguf --adapter).";

/// Writes the file beside its place, proves it, puts it there, and says what it is.
pub(super) fn run(args: &GgufAdapterArgs) -> Result<()> {
    let inputs = [args.adapter.as_path(), Path::new(&args.model)];
    let model = loading::find(&args.model)?;
    let base = shape(&model)?;
    let files = AdapterFiles::map(&args.adapter)
        .with_context(|| format!("cannot read --adapter {}", args.adapter.display()))?;
    let name = last_part(&args.adapter.display().to_string());
    let digest = hexadecimal(&files.digest());
    let _target = Target::claim(&args.output, Kind::File, args.result.force, &inputs)?;
    let options = GgufOptions {
        file_type: args.file_type,
        importance: None,
        name: args.name.clone().unwrap_or_else(|| name.clone()),
        provenance: Provenance {
            tool: TOOL.to_owned(),
            base: Some(Origin {
                name: loading::title_of(&args.model)?,
                digest: model_digest(&model)?,
            }),
            adapters: vec![Origin { name, digest }],
            data: training_data(&args.adapter)?.into_iter().collect(),
            ..Provenance::default()
        },
        existing: Existing::Refuse,
    };
    let drafts = DraftRoom::beside(&args.output)?;
    let draft = drafts.path().join(args.output.file_name().unwrap_or_default());
    let report = write_gguf_adapter(&files, &base, &options, &draft)?;
    display::warn(&report.warnings);
    let verify = VerifyArgs { no_verify: args.no_verify, prompts: None };
    let proof = verify.prove_adapters(&args.model, &[(&args.adapter, &draft)])?.pop();
    put_in_place(&draft, &args.output, args.result.existing())?;
    let shown = args.output.display();
    let object = json!({
        "output": shown.to_string(),
        "type": args.file_type.name(),
        "bytes": report.bytes,
        "sha256": report.sha256,
        "tensors": report.tensors.len(),
        "warnings": report.warnings,
        "provenance": options.provenance,
        "proof": proof,
    });
    let proven = proof.map(|proof| format!("proven  {}\n", proof.to_line())).unwrap_or_default();
    let lines = format!(
        "{shown}: {} tensors, {}, {:.1} MB\nsha256  {}\n{proven}",
        report.tensors.len(),
        args.file_type,
        report.bytes as f64 / 1e6,
        report.sha256
    );
    display::result(args.result.json, &object, &lines)
}

/// The base's shape, whatever its weights are stored as.
fn shape(model: &Path) -> Result<ModelConfig> {
    if model.is_file() {
        return Ok(ModelConfig::from_gguf(&GgufFile::open(model)?)?);
    }
    Ok(ModelConfig::read_shape(model)?)
}
