//! `wardrobe export gguf`: base and adapters to one GGUF file, in one pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use export::gguf::{
    FileType, GgufModel, GgufOptions, GgufReport, Importance, Provenance, write_gguf,
};
use formats::whole::{self, DraftRoom, Existing};
use serde_json::{Value, json};

use super::display;
use super::source::SourceArgs;
use super::verify::VerifyArgs;
use crate::cli::progress::{BYTES, Shown};
use crate::cli::result_args::ResultArgs;
use crate::cli::target::{self, Kind, Target, put_in_place};
use crate::proof::PackageProof;

/// Arguments of `wardrobe export gguf`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GgufArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// How weights are stored: f32, f16, bf16, q8_0, q6_k, q5_k_m, q5_k_s, q5_1, q5_0, q4_k_m, q4_k_s,
    /// q4_1, q4_0, q3_k_l, q3_k_m, q3_k_s or q2_k
    #[arg(long = "type", value_name = "TYPE", default_value = "q4_k_m", value_parser = file_type)]
    file_type: FileType,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Weigh errors by an importance matrix of `export imatrix` or llama-imatrix (GGUF or .dat)
    #[arg(long, value_name = "FILE")]
    imatrix: Option<PathBuf>,
    /// The model's name in the file [default: the names of base and adapters]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    verify: VerifyArgs,
    #[command(flatten)]
    result: ResultArgs,
}

const EXAMPLES: &str = "\
Examples:
  wardrobe export gguf --adapter checkpoints/sft --type q4_k_m --output sft.gguf
  wardrobe export gguf --model Qwen/Qwen2.5-0.5B-Instruct --type q8_0 --output qwen.gguf
  wardrobe export gguf --model base --adapter a --weight 0.7 --adapter b --weight 0.3 --output ab.gguf

The bytes of every tensor are those of llama.cpp's convert_hf_to_gguf.py and llama-quantize.";

/// Writes the file beside its place, proves it, puts it there, and says what it is.
pub(super) fn run(args: &GgufArgs) -> Result<()> {
    let (report_path, inputs) = (report_path(&args.output), args.source.inputs());
    let prompts = args.verify.texts()?;
    let _target = Target::claim(&args.output, Kind::File, args.result.force, &inputs)?;
    // One that has no file beside it is left of an earlier export.
    target::check(&report_path, Kind::File, true, &[])?;
    let drafts = DraftRoom::beside(&args.output)?;
    let source = args.source.open(drafts.path())?;
    args.verify.check_memory(&*source.weights, &source.config)?;
    display::warn(&source.warnings);
    let options = GgufOptions {
        file_type: args.file_type,
        importance: args.imatrix.as_deref().map(Importance::read).transpose()?,
        name: args.name.clone().unwrap_or(source.name),
        provenance: source.provenance,
        existing: Existing::Refuse,
    };
    let model = GgufModel { weights: &*source.weights, config: &source.config, dir: &source.dir };
    let draft = drafts.path().join(args.output.file_name().unwrap_or_default());
    let shown = Shown::new(BYTES);
    let progress = &mut |done, all| shown.share(done, all, "written");
    let written = write_gguf(model, &options, &draft, progress);
    shown.finish();
    let report = written?;
    display::warn(&report.warnings);
    let proof = args.verify.prove(&args.source, &draft, &prompts)?;
    let object = describe(args, &report, &options.provenance, proof.as_ref());
    put_in_place(&draft, &args.output, args.result.existing())?;
    whole::write_file(&report_path, format!("{object:#}\n").as_bytes())?;
    display::warn(proof.iter().filter_map(|proof| proof.warning.as_ref()));
    display::result(args.result.json, &object, &lines(args, &report, proof.as_ref()))
}

/// `sft.gguf` is reported in `sft.gguf.export-report.json`.
pub(in crate::cli) fn report_path(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".export-report.json");
    PathBuf::from(name)
}

pub(super) fn file_type(name: &str) -> Result<FileType> {
    FileType::from_name(name).ok_or_else(|| {
        let names: Vec<_> = FileType::ALL.iter().map(|t| t.name().to_lowercase()).collect();
        anyhow!("there is no type `{name}`; there are {}", names.join(", "))
    })
}

/// Tensors and values by block type.
fn counts(report: &GgufReport) -> BTreeMap<&'static str, (usize, usize)> {
    let mut counts = BTreeMap::new();
    for tensor in &report.tensors {
        let (tensors, elements) = counts.entry(tensor.kind.name()).or_insert((0, 0));
        *tensors += 1;
        *elements += tensor.elements;
    }
    counts
}

fn describe(
    args: &GgufArgs,
    report: &GgufReport,
    provenance: &Provenance,
    proof: Option<&PackageProof>,
) -> Value {
    let counts = counts(report).into_iter();
    let types: serde_json::Map<_, _> =
        counts.map(|(name, (n, _))| (name.into(), n.into())).collect();
    json!({
        "output": args.output.display().to_string(),
        "type": args.file_type.name(),
        "bytes": report.bytes,
        "sha256": report.sha256,
        "tensors": report.tensors.len(),
        "tensor_types": types,
        "warnings": report.warnings,
        "provenance": provenance,
        "proof": proof.map(PackageProof::to_json),
    })
}

fn lines(args: &GgufArgs, report: &GgufReport, proof: Option<&PackageProof>) -> String {
    let proof = proof.map(|proof| format!("proven  {}\n", proof.to_line())).unwrap_or_default();
    let counts = counts(report);
    let elements: usize = counts.values().map(|(_, elements)| elements).sum();
    let types: Vec<_> =
        counts.iter().map(|(name, (tensors, _))| format!("{tensors} {name}")).collect();
    format!(
        "{}: {}, {:.1} MB, {:.2} bits a weight ({})\nsha256  {}\n{proof}",
        args.output.display(),
        args.file_type,
        report.bytes as f64 / 1e6,
        report.bytes as f64 * 8.0 / elements as f64,
        types.join(", "),
        report.sha256
    )
}
