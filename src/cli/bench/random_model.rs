//! `wardrobe bench model`: a model folder of a known shape with random bf16 weights, complete enough
//! to be served. Half a gigabyte of weights needs no download and costs the same to run.

use super::common::whole_number;
use super::random::Random;
use super::shape::Shape;
use super::{random_adapter, tokenizer};
use anyhow::{Context, Result};
use formats::whole::{self, Existing};
use formats::{CheckpointWriter, Dtype, ModelConfig, TensorPlan};
use half::bf16;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Standard deviation of every matrix, as the named models were initialised.
const DEVIATION: f32 = 0.02;

/// Bytes of a file at most, as the hub's models are cut.
const SHARD_BYTES: u64 = 5_000_000_000;

/// Arguments of `bench model`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wardrobe bench model --shape qwen2.5-0.5b --output bench-model
  wardrobe bench model --shape tiny --adapters 8 --output tiny")]
pub(super) struct ModelArgs {
    /// The shape to give the model.
    #[arg(long, value_enum)]
    shape: Shape,
    /// The folder to make; it must not exist yet.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Decides every weight.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also make this many LoRA adapters on every linear, as DIR/adapters/adapter-0 and so on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    adapters: usize,
    /// Rank of the adapters.
    #[arg(long, value_name = "R", default_value_t = 16, value_parser = whole_number(1))]
    rank: usize,
    /// How the adapters' weights are stored.
    #[arg(long, value_enum, default_value_t = random_adapter::AdapterDtype::F32)]
    dtype: random_adapter::AdapterDtype,
}

impl ModelArgs {
    pub(super) fn run(&self) -> Result<()> {
        whole::write_dir(&self.output, Existing::Refuse, |dir| self.fill(dir))?;
        Ok(writeln!(std::io::stdout().lock(), "{}", self.output.display())?)
    }

    fn fill(&self, dir: &Path) -> Result<()> {
        let config = write_model(dir, self.shape, self.seed)?;
        for index in 0..self.adapters {
            let adapter = random_adapter::RandomAdapter {
                rank: self.rank,
                dtype: self.dtype,
                seed: self.seed + index as u64,
                base: self.output.display().to_string(),
            };
            adapter.write(&dir.join(format!("adapters/adapter-{index}")), &config)?;
        }
        Ok(())
    }
}

/// Writes every file of the model into the existing folder `dir`.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write_model(dir: &Path, shape: Shape, seed: u64) -> Result<ModelConfig> {
    let json = shape.config();
    let config_path = dir.join("config.json");
    let config = ModelConfig::parse(&json.to_string(), &config_path)?;
    let pretty = |value: &serde_json::Value| serde_json::to_vec_pretty(value);
    whole::write_file(&config_path, &pretty(&json)?)?;
    whole::write_file(&dir.join("tokenizer.json"), &pretty(&tokenizer::tokenizer_json())?)?;
    let tokenizer_config = pretty(&tokenizer::tokenizer_config())?;
    whole::write_file(&dir.join("tokenizer_config.json"), &tokenizer_config)?;
    let plan: Vec<TensorPlan> = crate::model::expected_tensors(&config)
        .into_iter()
        .map(|(name, shape)| TensorPlan { name, dtype: Dtype::BF16, shape })
        .collect();
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let writer = CheckpointWriter::create(dir, &plan, SHARD_BYTES, &metadata)?;
    // A tensor a thread: a model larger than memory can be made.
    plan.par_iter()
        .try_for_each(|tensor| {
            writer.write(&tensor.name, 0, &random_bf16(&tensor.name, &tensor.shape, seed))
        })
        .context("the random weights could not be written")?;
    Ok(config)
}

/// The bytes of one tensor: norms one, biases zero as at the start of training, the rest random.
fn random_bf16(name: &str, shape: &[usize], seed: u64) -> Vec<u8> {
    let count = shape.iter().product();
    let mut random = Random::named(seed, name);
    let fixed = if name.ends_with("norm.weight") {
        Some(1.0)
    } else {
        name.ends_with(".bias").then_some(0.0)
    };
    let mut bytes = Vec::with_capacity(2 * count);
    for _ in 0..count {
        let value = fixed.unwrap_or_else(|| DEVIATION * random.normal());
        bytes.extend_from_slice(&bf16::from_f32(value).to_le_bytes());
    }
    bytes
}
