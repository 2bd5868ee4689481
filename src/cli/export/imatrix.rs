//! `wardrobe export imatrix`: what a text says about which weights matter, as llama-imatrix writes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use export::gguf::{ColumnSums, NewImportance, write_importance};
use formats::whole::DraftRoom;
use serde_json::json;

use super::display;
use super::verify::Base;
use crate::adapters::{self, BaseInfo};
use crate::cli::model_args::DEFAULT_MODEL;
use crate::cli::progress::Shown;
use crate::cli::result_args::ResultArgs;
use crate::cli::target::{Kind, Target, put_in_place};
use crate::imatrix::{ChunkOptions, Chunks, Subject, collect};
use crate::model::{AdapterWeights, Decoder, ModelFiles, WeightFormat};

/// Arguments of `wardrobe export imatrix`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImatrixArgs {
    /// The base: a folder in Hugging Face layout, a GGUF file, or a hub id
    #[arg(long, value_name = "PATH|HUB_ID", default_value = DEFAULT_MODEL)]
    model: String,
    /// The adapter that the base wears
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// The text to run: plain, or records as `wardrobe train` takes them where the name ends in .jsonl
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Chunks of the text to run at most [default: all]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    chunks: Option<usize>,
    /// Tokens of a chunk
    #[arg(long, value_name = "N", default_value = "512")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    ctx: usize,
    /// Measure the output head too
    #[arg(long)]
    process_output: bool,
    /// How the base's weights are held
    #[arg(long, value_enum, default_value_t)]
    weights: WeightFormat,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    result: ResultArgs,
}

const EXAMPLES: &str = "\
Examples:
  wardrobe export imatrix --adapter checkpoints/sft --data data/sft.jsonl --output sft.imatrix.gguf
  wardrobe export gguf --adapter checkpoints/sft --type q4_k_m --imatrix sft.imatrix.gguf --output sft.gguf
  wardrobe export imatrix --model model.gguf --data wiki.txt --chunks 100 --output wiki.imatrix.gguf
  llama-quantize --imatrix wiki.imatrix.gguf model.gguf small.gguf q4_k_m

Take a text like those that the model will see; what does not fill the last chunk is left out.";

/// Runs the text, writes the file beside its place, puts it there, and says what it is.
pub(super) fn run(args: &ImatrixArgs) -> Result<()> {
    let inputs = [Path::new(args.model.as_str()), args.data.as_path()];
    let inputs: Vec<&Path> = inputs.into_iter().chain(args.adapter.as_deref()).collect();
    let _target = Target::claim(&args.output, Kind::File, args.result.force, &inputs)?;
    let drafts = DraftRoom::beside(&args.output)?;
    let draft = drafts.path().join(args.output.file_name().unwrap_or_default());
    let base = Base::open(&args.model, &draft)?;
    let files = ModelFiles::open(&base.path)?;
    let chunks = args.read(&files)?;
    let adapter = args.wear(&base)?;
    let decoder = Decoder::from_files(&files, args.weights)?;
    let subject = Subject { decoder: &decoder, adapter, head: args.process_output };
    let shown = Shown::new("{bar:30} {pos} of {len} chunks, {eta} left");
    let measured = collect(&subject, &chunks, &mut |done, all| {
        shown.at(done as u64, all as u64, || format!("{done} of {all} chunks"));
    });
    shown.finish();
    let tensors = measured?;
    let dataset = args.data.file_name().unwrap_or_default().to_string_lossy();
    let (count, chunk_size) = (chunks.count(), chunks.size());
    let written = NewImportance { tensors: &tensors, dataset: &dataset, chunks: count, chunk_size };
    write_importance(&draft, &written)?;
    put_in_place(&draft, &args.output, args.result.existing())?;
    args.say(&chunks, &tensors)
}

impl ImatrixArgs {
    fn read(&self, files: &ModelFiles) -> Result<Chunks> {
        let tokenizer = files.tokenizer()?;
        let template = files.chat_template(&tokenizer)?;
        let options = ChunkOptions { size: self.ctx, most: self.chunks };
        Ok(Chunks::read(&self.data, &tokenizer, template.as_ref(), options)?)
    }

    fn wear(&self, base: &Base) -> Result<Option<Arc<AdapterWeights>>> {
        let Some(path) = &self.adapter else { return Ok(None) };
        let info = BaseInfo::open(&base.path, "base")?;
        let loaded = adapters::load(path, &info)
            .with_context(|| format!("cannot load --adapter {}", path.display()))?;
        Ok(Some(loaded.weights))
    }

    fn say(&self, chunks: &Chunks, tensors: &BTreeMap<String, ColumnSums>) -> Result<()> {
        let (output, count, size) = (self.output.display(), chunks.count(), chunks.size());
        let object = json!({
            "output": output.to_string(),
            "tensors": tensors.len(),
            "chunks": count,
            "chunk_size": size,
            "tokens": count * size,
        });
        let tensors = tensors.len();
        let lines = format!("{output}: {tensors} matrices over {count} chunks of {size} tokens\n");
        display::result(self.result.json, &object, &lines)
    }
}
