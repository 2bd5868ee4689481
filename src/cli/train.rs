//! `wardrobe train`: arguments to settings, events to the terminal.
//!
//! Every flag is optional and named as its setting in the recipe; what is given wins over the TOML
//! file, which wins over the built-in recipe.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::interrupt::Waiting;
use super::train_display::Display;
use super::{interrupt, loading};
use crate::train::pretrain::{self, PretrainConfig};
use crate::train::sft::{self, SftConfig};
use crate::train::stop::Stop;
use crate::train::{Event, Summary, TrainError, resolve};

/// Arguments of `wardrobe train`.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[command(subcommand)]
    method: Method,
}

const SFT_HELP: &str = concat!(
    "\
Needed: --data and --output, as flags or in --config. The result is a PEFT adapter folder.

Examples:
  wardrobe train sft --data data/mine.jsonl --output checkpoints/mine
  wardrobe train sft --model Qwen/Qwen2.5-0.5B-Instruct --data chats.parquet --output adapters/chats \\
      --lora-r 32 --lora-alpha 64 --learning-rate 1e-4 --epochs 2 --eval-fraction 0.05
  wardrobe train sft --config recipes/mine.toml --resume
  wardrobe train sft --adapter adapters/chats --data more.jsonl --output adapters/more

Settings and their defaults, as a file for --config writes them:

",
    include_str!("../../recipes/sft.toml")
);

const PRETRAIN_HELP: &str = concat!(
    "\
Needed: --data and --output, as flags or in --config. The result is a model folder.

Examples:
  wardrobe train pretrain --data texts.jsonl --output checkpoints/base
  wardrobe train pretrain --data texts.jsonl --output checkpoints/base --hidden-size 256 \\
      --num-hidden-layers 8 --vocab-size 8000 --max-steps 5000
  wardrobe train pretrain --config recipes/mine.toml --resume

Settings and their defaults, as a file for --config writes them:

",
    include_str!("../../recipes/pretrain.toml")
);

#[derive(Debug, Subcommand)]
enum Method {
    /// Train a base model from scratch, tokenizer included
    #[command(after_help = PRETRAIN_HELP)]
    Pretrain(Box<PretrainArgs>),
    /// Train a LoRA adapter from examples of what to answer
    #[command(after_help = SFT_HELP)]
    Sft(Box<SftArgs>),
}

/// Flags of every training command. The built-in recipe states the defaults.
#[derive(Debug, Args, Serialize)]
struct CommonFlags {
    /// Data to train on: JSONL, CSV or parquet with messages, prompt and completion, or text; again
    /// for more files
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data: Vec<PathBuf>,
    /// Data to evaluate on; again for more files
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    eval_data: Vec<PathBuf>,
    /// Share of the training data held out for evaluation
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    eval_fraction: Option<f64>,
    /// Folder for the result, the checkpoints and metrics.jsonl
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Go on from the newest checkpoint in the output folder
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    resume: bool,
    /// Peak learning rate
    #[arg(long, allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// Course of the learning rate after warm-up: constant, linear or cosine
    #[arg(long, value_name = "NAME")]
    lr_scheduler: Option<String>,
    /// Steps of linear warm-up; below 1, a share of all steps
    #[arg(long, value_name = "STEPS", allow_negative_numbers = true)]
    warmup_steps: Option<f64>,
    /// Optimizer: adamw
    #[arg(long, value_name = "NAME")]
    optim: Option<String>,
    /// Decoupled weight decay
    #[arg(long, allow_negative_numbers = true)]
    weight_decay: Option<f64>,
    /// AdamW's first beta
    #[arg(long, allow_negative_numbers = true)]
    adam_beta1: Option<f64>,
    /// AdamW's second beta
    #[arg(long, allow_negative_numbers = true)]
    adam_beta2: Option<f64>,
    /// AdamW's epsilon
    #[arg(long, allow_negative_numbers = true)]
    adam_epsilon: Option<f64>,
    /// Limit of the gradient norm; 0 for none
    #[arg(long, value_name = "NORM", allow_negative_numbers = true)]
    max_grad_norm: Option<f64>,
    /// Examples of one micro-batch
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Tokens of one micro-batch, in place of --batch-size
    #[arg(long, value_name = "N")]
    batch_tokens: Option<usize>,
    /// Micro-batches of one optimizer step
    #[arg(long, value_name = "N")]
    gradient_accumulation_steps: Option<usize>,
    /// Passes over the data; a fraction is allowed
    #[arg(long, allow_negative_numbers = true)]
    epochs: Option<f64>,
    /// Stop after this many optimizer steps; 0 for as many as --epochs takes
    #[arg(long, value_name = "N")]
    max_steps: Option<usize>,
    /// Longest example in tokens; longer ones are cut
    #[arg(long, value_name = "N")]
    max_length: Option<usize>,
    /// Keep the order of the data
    #[arg(long)]
    #[serde(skip)]
    no_shuffle: bool,
    /// Decides every random number of the run
    #[arg(long)]
    seed: Option<u64>,
    /// Tokens that the loss is taken on: replies (completions and assistant turns) or all
    #[arg(long, value_name = "WHICH")]
    loss_on: Option<String>,
    /// Steps between logs
    #[arg(long, value_name = "STEPS")]
    logging_steps: Option<usize>,
    /// Steps between evaluations; 0 for one at the end
    #[arg(long, value_name = "STEPS")]
    eval_steps: Option<usize>,
    /// Steps between checkpoints; 0 for none
    #[arg(long, value_name = "STEPS")]
    save_steps: Option<usize>,
    /// Checkpoints to keep; 0 for all
    #[arg(long, value_name = "N")]
    save_total_limit: Option<usize>,
    /// Keep only each layer's input and compute the rest again on the way back
    #[arg(long, value_name = "BOOL")]
    gradient_checkpointing: Option<bool>,
}

#[derive(Debug, Args)]
struct PretrainArgs {
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    common: CommonFlags,
    #[command(flatten)]
    model: PretrainFlags,
}

#[derive(Debug, Args, Serialize)]
struct PretrainFlags {
    /// Width of the residual stream
    #[arg(long, value_name = "N")]
    hidden_size: Option<usize>,
    /// Decoder layers
    #[arg(long, value_name = "N")]
    num_hidden_layers: Option<usize>,
    /// Query heads
    #[arg(long, value_name = "N")]
    num_attention_heads: Option<usize>,
    /// Key and value heads
    #[arg(long, value_name = "N")]
    num_key_value_heads: Option<usize>,
    /// Width of one head
    #[arg(long, value_name = "N")]
    head_dim: Option<usize>,
    /// Width of the MLP
    #[arg(long, value_name = "N")]
    intermediate_size: Option<usize>,
    /// Longest context in tokens
    #[arg(long, value_name = "N")]
    max_position_embeddings: Option<usize>,
    /// Base of the rotary frequencies
    #[arg(long, allow_negative_numbers = true)]
    rope_theta: Option<f64>,
    /// Added to the mean square in every norm
    #[arg(long, allow_negative_numbers = true)]
    rms_norm_eps: Option<f64>,
    /// Standard deviation of fresh weights
    #[arg(long, allow_negative_numbers = true)]
    initializer_range: Option<f64>,
    /// Tokens of the tokenizer to be trained
    #[arg(long, value_name = "N")]
    vocab_size: Option<usize>,
    /// A folder whose tokenizer is used instead of training one
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SftArgs {
    /// TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    common: CommonFlags,
    #[command(flatten)]
    lora: SftFlags,
}

#[derive(Debug, Args, Serialize)]
struct SftFlags {
    /// The base: a folder in Hugging Face layout, or a hub id [default: checkpoints/initial]
    #[arg(long, value_name = "PATH|HUB_ID")]
    model: Option<String>,
    /// How the frozen base is held in memory: bf16 or f32
    #[arg(long, value_name = "FORMAT")]
    weights: Option<String>,
    /// Go on from this adapter, with its own rank, scale, dropout and targets
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Rank of A and B
    #[arg(long, value_name = "N")]
    lora_r: Option<usize>,
    /// Numerator of the scale
    #[arg(long, allow_negative_numbers = true)]
    lora_alpha: Option<f64>,
    /// Dropout on the input of the low-rank branch
    #[arg(long, allow_negative_numbers = true)]
    lora_dropout: Option<f64>,
    /// Scale by alpha / sqrt(r)
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    use_rslora: bool,
    /// Weight-decomposed LoRA; is worn and merged, not trained
    #[arg(long, hide = true)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    use_dora: bool,
    /// Linears to adapt, as q_proj,v_proj, or all-linear
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    target_modules: Vec<String>,
}

/// Runs `wardrobe train`.
///
/// # Errors
/// One sentence on what cannot be trained and what to do.
pub(super) fn run(args: TrainArgs) -> Result<ExitCode> {
    let stop = Stop::default();
    let asker = stop.clone();
    let asked = interrupt::ask_first(move || match asker.ask() {
        true => Waiting::For("stopping after the step that is being made"),
        false => Waiting::Nothing("before the first step"),
    })?;
    let display = Display::new();
    match train(args.method, &stop, &display) {
        Ok(summary) => {
            display.finish(&summary);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => match (error.downcast_ref(), asked.status()) {
            (Some(TrainError::Stopped { .. }), Some(status)) => {
                display.line(&error.to_string());
                Ok(ExitCode::from(status))
            }
            _ => Err(error),
        },
    }
}

fn train(method: Method, stop: &Stop, display: &Display) -> Result<Summary> {
    let mut show = |event: Event| display.show(event);
    Ok(match method {
        Method::Pretrain(args) => {
            let flags = table(&args.common, &args.model)?;
            let (recipe, rules) = (args.config.as_deref(), pretrain::RULES);
            let config: PretrainConfig = resolve(pretrain::RECIPE, recipe, flags, rules)?;
            pretrain::pretrain(&config, stop, &mut show)?
        }
        Method::Sft(args) => {
            let flags = table(&args.common, &args.lora)?;
            let (recipe, rules) = (args.config.as_deref(), sft::RULES);
            let config: SftConfig = resolve(sft::RECIPE, recipe, flags, rules)?;
            let base = loading::find_folder(&config.model)?;
            sft::sft(&config, &base, stop, &mut show)?
        }
    })
}

/// The flags that were given, as a recipe would write them.
fn table(common: &CommonFlags, own: &impl Serialize) -> Result<toml::Table> {
    let mut table = toml::Table::try_from(common)?;
    table.extend(toml::Table::try_from(own)?);
    if common.no_shuffle {
        table.insert("shuffle".to_owned(), false.into());
    }
    Ok(table)
}
