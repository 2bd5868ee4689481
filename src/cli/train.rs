//! `wardrobe train`: arguments to settings, events to the terminal.
//!
//! Every flag is optional and named as its setting in the recipe; what is given wins over the TOML
//! file, which wins over the built-in recipe.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::loading;
use super::train_display::Display;
use crate::train::pretrain::{self, PretrainConfig};
use crate::train::resolve;
use crate::train::sft::{self, SftConfig};

/// Arguments of `wardrobe train`.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[command(subcommand)]
    method: Method,
}

#[derive(Debug, Subcommand)]
enum Method {
    /// Train a base model from scratch, tokenizer included
    Pretrain(Box<PretrainArgs>),
    /// Train a LoRA adapter from examples of what to answer
    Sft(Box<SftArgs>),
}

/// Flags of every training command. The built-in recipe states the defaults.
#[derive(Debug, Args, Serialize)]
struct CommonFlags {
    /// Data to train on: JSONL with messages, prompt and completion, or text; again for more files
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data: Vec<PathBuf>,
    /// Data to evaluate on; again for more files
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    eval_data: Vec<PathBuf>,
    /// Share of the training data held out for evaluation
    #[arg(long, value_name = "SHARE")]
    eval_fraction: Option<f64>,
    /// Folder for the result, the checkpoints and metrics.jsonl
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Go on from the newest checkpoint in the output folder
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    resume: bool,
    /// Peak learning rate
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Course of the learning rate after warm-up: constant, linear or cosine
    #[arg(long, value_name = "NAME")]
    lr_scheduler: Option<String>,
    /// Steps of linear warm-up; below 1, a share of all steps
    #[arg(long, value_name = "STEPS")]
    warmup_steps: Option<f64>,
    /// Optimizer: adamw
    #[arg(long, value_name = "NAME")]
    optim: Option<String>,
    /// Decoupled weight decay
    #[arg(long)]
    weight_decay: Option<f64>,
    /// AdamW's first beta
    #[arg(long)]
    adam_beta1: Option<f64>,
    /// AdamW's second beta
    #[arg(long)]
    adam_beta2: Option<f64>,
    /// AdamW's epsilon
    #[arg(long)]
    adam_epsilon: Option<f64>,
    /// Limit of the gradient norm; 0 for none
    #[arg(long, value_name = "NORM")]
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
    #[arg(long)]
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
    #[arg(long)]
    rope_theta: Option<f64>,
    /// Added to the mean square in every norm
    #[arg(long)]
    rms_norm_eps: Option<f64>,
    /// Standard deviation of fresh weights
    #[arg(long)]
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
    /// Rank
    #[arg(long, value_name = "N")]
    lora_r: Option<usize>,
    /// Numerator of the scale
    #[arg(long)]
    lora_alpha: Option<f64>,
    /// Dropout on the input of the low-rank branch
    #[arg(long)]
    lora_dropout: Option<f64>,
    /// Scale by alpha / sqrt(r)
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    use_rslora: bool,
    /// Weight-decomposed LoRA
    #[arg(long)]
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
pub(super) fn run(args: TrainArgs) -> Result<()> {
    let mut display = Display::new();
    let summary = match args.method {
        Method::Pretrain(args) => {
            let flags = table(&args.common, &args.model)?;
            let (recipe, rules) = (args.config.as_deref(), pretrain::RULES);
            let config: PretrainConfig = resolve(pretrain::RECIPE, recipe, flags, rules)?;
            pretrain::pretrain(&config, &mut |event| display.show(event))?
        }
        Method::Sft(args) => {
            let flags = table(&args.common, &args.lora)?;
            let (recipe, rules) = (args.config.as_deref(), sft::RULES);
            let config: SftConfig = resolve(sft::RECIPE, recipe, flags, rules)?;
            let base = loading::find_folder(&config.model)?;
            sft::sft(&config, &base, &mut |event| display.show(event))?
        }
    };
    display.finish(&summary);
    Ok(())
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
