//! What the rows of a batch wear: nothing, loaded adapters, or an adapter in training.
//!
//! These types hold weights ready for the kernels. How they come from PEFT files is `adapters`'
//! business, how they are trained is `train`'s.

use super::{Dropout, Site};
use candle_core::Tensor;
use kernels::PackedMatrix;
use std::ops::Range;
use std::sync::Arc;

/// What each row of a step wears.
#[derive(Debug, Clone, Copy)]
pub enum Wear<'a> {
    /// Every row runs on the base alone.
    Base,
    /// Ranges of rows wear loaded adapters; rows in no range run on the base.
    /// Ranges ascend and do not overlap.
    Adapters(&'a [Worn]),
    /// Every row wears the adapter that is being trained.
    Training(&'a TrainableAdapter),
}

/// Consecutive rows that wear one adapter.
#[derive(Debug, Clone)]
pub struct Worn {
    /// The rows.
    pub rows: Range<usize>,
    /// What they wear.
    pub adapter: Arc<AdapterWeights>,
}

/// One loaded adapter: everything it changes in the model.
#[derive(Debug, Default)]
pub struct AdapterWeights {
    /// For each layer the change at each [`Site`], indexed by `site as usize`.
    pub layers: Vec<[Option<LinearDelta>; 7]>,
    /// The change of the token embedding.
    pub embed: Option<EmbedChange>,
    /// The change of the output head.
    pub head: Option<HeadChange>,
}

impl AdapterWeights {
    /// The change at one site, if there is one.
    pub fn delta(&self, layer: usize, site: Site) -> Option<&LinearDelta> {
        self.layers.get(layer)?[site as usize].as_ref()
    }

    /// Bytes held by the matrices.
    pub fn bytes(&self) -> usize {
        let linears = self.layers.iter().flatten().flatten().map(LinearDelta::bytes).sum::<usize>();
        let embed = self.embed.as_ref().map_or(0, EmbedChange::bytes);
        linears + embed + self.head.as_ref().map_or(0, HeadChange::bytes)
    }
}

/// What an adapter changes at one linear. With base output `y = xWᵀ + b`:
/// `y' = gain ∘ (y − b) + b + scale · (x Aᵀ) Bᵀ + bias`.
///
/// DoRA (Liu et al. 2024) has `gain = m / ‖W + sBA‖` per output and the same gain multiplied
/// into the rows of B; plain LoRA has none.
#[derive(Debug, Default)]
pub struct LinearDelta {
    /// The low-rank product.
    pub low_rank: Option<LowRank>,
    /// Factor per output on the base product, without its bias.
    pub gain: Option<Vec<f32>>,
    /// Added per output at the end.
    pub bias: Option<Vec<f32>>,
}

impl LinearDelta {
    fn bytes(&self) -> usize {
        let vector = |v: &Option<Vec<f32>>| v.as_ref().map_or(0, |v| v.len() * 4);
        self.low_rank.as_ref().map_or(0, LowRank::bytes) + vector(&self.gain) + vector(&self.bias)
    }
}

/// `scale · (x Aᵀ) Bᵀ` (Hu et al. 2021).
#[derive(Debug)]
pub struct LowRank {
    /// A, `[r, k]`.
    pub a: PackedMatrix,
    /// B, `[n, r]`.
    pub b: PackedMatrix,
    /// `lora_alpha / r`, or `lora_alpha / sqrt(r)` for rsLoRA.
    pub scale: f32,
}

impl LowRank {
    fn bytes(&self) -> usize {
        self.a.bytes() + self.b.bytes()
    }
}

/// What an adapter changes in the token embedding.
#[derive(Debug, Default)]
pub struct EmbedChange {
    /// A whole embedding `[vocab, hidden]` in place of the base's (`modules_to_save`).
    pub weight: Option<PackedMatrix>,
    /// DoRA's factor per feature of the embedding, `[hidden]`; also in the rows of the low-rank B.
    pub gain: Option<Vec<f32>>,
    /// A low-rank addition.
    pub low_rank: Option<EmbedLowRank>,
}

impl EmbedChange {
    fn bytes(&self) -> usize {
        let whole = self.weight.as_ref().map_or(0, PackedMatrix::bytes);
        let gain = self.gain.as_ref().map_or(0, |gain| gain.len() * 4);
        whole + gain + self.low_rank.as_ref().map_or(0, |l| l.a.len() * 4 + l.b.bytes())
    }
}

/// `scale · A[:, id] Bᵀ` added to the embedding of token `id`.
#[derive(Debug)]
pub struct EmbedLowRank {
    /// Aᵀ, `[vocab, r]` row-major: one row a token.
    pub a: Vec<f32>,
    /// B, `[hidden, r]`.
    pub b: PackedMatrix,
    /// As in [`LowRank::scale`].
    pub scale: f32,
}

/// What an adapter changes in the output head.
#[derive(Debug, Default)]
pub struct HeadChange {
    /// A whole head `[vocab, hidden]` in place of the base's (`modules_to_save`).
    pub weight: Option<PackedMatrix>,
    /// A change on top of it.
    pub delta: Option<LinearDelta>,
}

impl HeadChange {
    fn bytes(&self) -> usize {
        let whole = self.weight.as_ref().map_or(0, PackedMatrix::bytes);
        whole + self.delta.as_ref().map_or(0, LinearDelta::bytes)
    }
}

/// An adapter in training: tensors that candle tracks (or detached copies of them).
#[derive(Debug, Clone)]
pub struct TrainableAdapter {
    /// For each layer the tensors at each [`Site`], indexed by `site as usize`.
    pub layers: Vec<[Option<LoraVars>; 7]>,
}

/// A and B of one site in training.
#[derive(Debug, Clone)]
pub struct LoraVars {
    /// A, `[r, k]` f32.
    pub a: Tensor,
    /// B, `[n, r]` f32.
    pub b: Tensor,
    /// As in [`LowRank::scale`].
    pub scale: f32,
    /// Dropout on the input of the low-rank branch.
    pub dropout: Option<Dropout>,
}
