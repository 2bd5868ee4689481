//! The decoder: embedding, layers, final norm, head. Read top to bottom.

use super::embedding::Embedding;
use super::head::{Head, LogProbs};
use super::layer::{Context, Layer};
use super::rotary::Rotary;
use super::{KvCache, ModelFiles, Observer, Result, Step, Wear, weights};
use candle_core::{Tensor, Var};
use formats::ModelConfig;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the base weights are held in memory; recipes and flags call them `bf16` and `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// bf16, widened in registers: the default. Weights in f32 or f16, and those de-quantized from
    /// a GGUF file, are rounded once.
    #[default]
    Bf16,
    /// f32, for reference.
    F32,
}

impl WeightFormat {
    /// The name in recipes, flags and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
        }
    }
}

/// A decoder-only transformer: Qwen2, Qwen3 or Llama. Its weights never change after load,
/// unless it was made to be trained from scratch (see [`Decoder::trainable`]).
#[derive(Debug)]
pub struct Decoder {
    pub(super) config: ModelConfig,
    pub(super) embedding: Embedding,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Tensor,
    pub(super) head: Head,
    pub(super) rotary: Rotary,
    /// Every parameter by its name on disk; empty where the weights are frozen.
    pub(super) vars: Vec<(String, Var)>,
    /// Names of tensors in the files that were left alone.
    pub(super) unused: Vec<String>,
}

impl Decoder {
    /// Loads a folder in Hugging Face layout, or a GGUF file.
    ///
    /// # Errors
    /// When a file is missing, damaged, of another shape than its configuration says, or asks for
    /// something that is not supported; the sentence names the file and the tensor.
    pub fn load(path: &Path, format: WeightFormat) -> Result<Self> {
        Self::from_files(&ModelFiles::open(path)?, format)
    }

    /// Loads an open model.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_files(files: &ModelFiles, format: WeightFormat) -> Result<Self> {
        weights::load(files, format)
    }

    /// What kind of model this is.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Tensors of its files that it has no place for, see [`ModelFiles::unused`].
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Number of layers.
    pub fn num_layers(&self) -> usize {
        self.layers.len()
    }

    /// An empty paged cache for this model, `num_blocks` blocks a layer.
    pub fn kv_cache(&self, num_blocks: usize) -> KvCache {
        KvCache::new(&self.config, num_blocks)
    }

    /// Begins a forward pass over `step`.
    ///
    /// # Errors
    /// When the step's parts disagree (see [`Step::check`]).
    pub fn pass<'a>(&'a self, step: &'a Step<'a>) -> Result<Pass<'a>> {
        step.check(self.config.vocab_size)?;
        let angles = self.rotary.rows(step.positions);
        let context = Context { config: &self.config, step, angles, observer: None };
        Ok(Pass { decoder: self, context })
    }

    /// The whole pass: final hidden states `[rows, hidden]`.
    ///
    /// # Errors
    /// When the step does not fit the model.
    pub fn hidden(&self, step: &Step) -> Result<Tensor> {
        self.pass(step)?.hidden()
    }

    /// Logits `[rows.len(), vocab]` of chosen rows (ascending) of `hidden`, which came from a
    /// step that wore `wear`.
    ///
    /// # Errors
    /// When `rows` do not ascend or lie outside `hidden`.
    pub fn logits(&self, hidden: &Tensor, rows: &[u32], wear: &Wear) -> Result<Tensor> {
        self.head.logits(hidden, rows, wear)
    }

    /// Log-probability of one target for each row of `hidden [n, hidden]` under the base's head,
    /// differentiable with respect to `hidden` and to a trained head.
    ///
    /// # Errors
    /// When there are not as many targets as rows.
    pub fn log_probs(&self, hidden: &Tensor, targets: &[u32]) -> Result<LogProbs> {
        self.head.log_probs(hidden, targets)
    }

    /// Every trained parameter by its name on disk; empty for a loaded model.
    pub fn named_vars(&self) -> &[(String, Var)] {
        &self.vars
    }
}

/// One forward pass, layer by layer, for callers that keep or recompute what lies between.
pub struct Pass<'a> {
    decoder: &'a Decoder,
    context: Context<'a>,
}

impl<'a> Pass<'a> {
    /// This pass, with `observer` looking on.
    #[must_use]
    pub fn observed(mut self, observer: &'a dyn Observer) -> Self {
        self.context.observer = Some(observer);
        self
    }

    /// All of it: final hidden states `[rows, hidden]`.
    ///
    /// # Errors
    /// When candle fails.
    pub fn hidden(&self) -> Result<Tensor> {
        let mut x = self.embed()?;
        for index in 0..self.decoder.layers.len() {
            x = self.layer(index, &x)?;
        }
        self.final_norm(&x)
    }

    /// Embeddings of the step's tokens, `[rows, hidden]`.
    ///
    /// # Errors
    /// When candle fails.
    pub fn embed(&self) -> Result<Tensor> {
        self.decoder.embedding.forward(self.context.step.ids, &self.context.step.wear)
    }

    /// Layer `index`, `[rows, hidden] -> [rows, hidden]`.
    ///
    /// # Errors
    /// When `x` has another shape.
    pub fn layer(&self, index: usize, x: &Tensor) -> Result<Tensor> {
        self.decoder.layers[index].forward(x, &self.context)
    }

    /// The norm before the head.
    ///
    /// # Errors
    /// When `x` has another shape.
    pub fn final_norm(&self, x: &Tensor) -> Result<Tensor> {
        self.context.norm(x, &self.decoder.norm)
    }
}
