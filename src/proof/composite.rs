//! Several adapters, each with its strength, as one that the engine can wear: made of what the engine
//! wears of each, not of what merging makes of their files.
//!
//! With `Mᵢ` what adapter `i` makes of a weight `W`, the sum is `W + Σ wᵢ (Mᵢ - W)`. Of gains and products
//! that is again a gain and a product: `(1 + Σ wᵢ (gᵢ - 1)) ∘ W + Σ wᵢ sᵢ Bᵢ Aᵢ`. A weight that any of
//! them replaces is worked out row by row.

use super::Result;
use super::served::{ServedChange, unpacked};
use super::weights::tied;
use crate::model::{
    AdapterWeights, EmbedChange, EmbedLowRank, HeadChange, LinearDelta, LowRank, Site,
};
use export::Weights;
use formats::ModelConfig;
use formats::peft::Place;
use kernels::PackedMatrix;
use std::sync::Arc;

/// Rows of the base that are read at a time.
const ROWS: usize = 256;

/// What the engine wears in place of `worn` on `base`; `None` for no adapter.
///
/// # Errors
/// Rows of the base that cannot be read.
pub fn composite(
    worn: &[(Arc<AdapterWeights>, f32)],
    base: &dyn Weights,
    config: &ModelConfig,
) -> Result<Option<Arc<AdapterWeights>>> {
    match worn {
        [] => Ok(None),
        [(adapter, 1.0)] => Ok(Some(Arc::clone(adapter))),
        _ => Ok(Some(Arc::new(Composite { worn, base }.weights(config)?))),
    }
}

struct Composite<'a> {
    worn: &'a [(Arc<AdapterWeights>, f32)],
    base: &'a dyn Weights,
}

impl Composite<'_> {
    fn weights(&self, config: &ModelConfig) -> Result<AdapterWeights> {
        let site = |layer, site| linear(&self.each(|adapter| adapter.delta(layer, site)));
        let layers = (0..config.num_hidden_layers).map(|layer| Site::ALL.map(|at| site(layer, at)));
        Ok(AdapterWeights { layers: layers.collect(), embed: self.embed()?, head: self.head()? })
    }

    /// What each adapter has, with its strength.
    fn each<'b, T>(
        &'b self,
        of: impl Fn(&'b AdapterWeights) -> Option<&'b T>,
    ) -> Vec<(&'b T, f32)> {
        let worn = self.worn.iter();
        worn.filter_map(|(adapter, strength)| Some((of(adapter)?, *strength))).collect()
    }

    fn head(&self) -> Result<Option<HeadChange>> {
        let heads = self.each(|adapter| adapter.head.as_ref());
        if heads.is_empty() {
            return Ok(None);
        }
        let deltas = self.each(|adapter| adapter.head.as_ref()?.delta.as_ref());
        if heads.iter().all(|(head, _)| head.weight.is_none()) {
            return Ok(Some(HeadChange { weight: None, delta: linear(&deltas) }));
        }
        let bias = bias(&deltas);
        let delta = bias.is_some().then(|| LinearDelta { bias, ..LinearDelta::default() });
        Ok(Some(HeadChange { weight: Some(self.whole(Place::Head)?), delta }))
    }

    fn embed(&self) -> Result<Option<EmbedChange>> {
        let embeds = self.each(|adapter| adapter.embed.as_ref());
        if embeds.is_empty() {
            return Ok(None);
        }
        if embeds.iter().any(|(embed, _)| embed.weight.is_some()) {
            let weight = Some(self.whole(Place::Embed)?);
            return Ok(Some(EmbedChange { weight, ..EmbedChange::default() }));
        }
        let gains = embeds.iter().map(|(embed, strength)| (embed.gain.as_deref(), *strength));
        let gain = gain(gains);
        let products: Vec<(&EmbedLowRank, f32)> = embeds
            .iter()
            .filter_map(|(embed, strength)| Some((embed.low_rank.as_ref()?, *strength)))
            .collect();
        Ok(Some(EmbedChange { weight: None, gain, low_rank: embedding(&products) }))
    }

    /// The weight at a place with every adapter's change on it.
    fn whole(&self, place: Place) -> Result<PackedMatrix> {
        let worn: Vec<(&AdapterWeights, f32)> =
            self.worn.iter().map(|(adapter, strength)| (&**adapter, *strength)).collect();
        let change = ServedChange::of(place, &worn);
        let tensor = tied(self.base, place).map_err(super::weights::missing)?;
        let (rows, columns) = (tensor.rows(), tensor.columns());
        let mut values = vec![0.0; rows * columns];
        let mut added = vec![0.0; columns];
        for (block, values) in values.chunks_mut(ROWS * columns).enumerate() {
            let first = block * ROWS;
            self.base.read_rows(tensor, first..first + values.len() / columns, values)?;
            for (row, values) in values.chunks_exact_mut(columns).enumerate() {
                change.row(first + row, values, &mut added);
                values.iter_mut().zip(&added).for_each(|(value, added)| *value += added);
            }
        }
        self.base.release(tensor);
        Ok(PackedMatrix::pack_f32(&values, rows, columns))
    }
}

/// The changes of one linear as one change.
fn linear(deltas: &[(&LinearDelta, f32)]) -> Option<LinearDelta> {
    if deltas.is_empty() {
        return None;
    }
    let products =
        deltas.iter().filter_map(|(delta, strength)| Some((delta.low_rank.as_ref()?, *strength)));
    let low_rank = product(&products.collect::<Vec<_>>());
    let gains = deltas.iter().map(|(delta, strength)| (delta.gain.as_deref(), *strength));
    Some(LinearDelta { low_rank, gain: gain(gains), bias: bias(deltas) })
}

/// `Σ wᵢ sᵢ Bᵢ Aᵢ` of a linear.
fn product(products: &[(&LowRank, f32)]) -> Option<LowRank> {
    let (first, _) = products.first()?;
    let b = products
        .iter()
        .map(|(it, strength)| (scaled(unpacked(&it.b), it.scale * strength), it.b.cols()));
    // Rows of A below one another are its columns side by side.
    let a: Vec<f32> = products.iter().flat_map(|(it, _)| unpacked(&it.a)).collect();
    let b = side_by_side(&b.collect::<Vec<_>>());
    let (rows, columns) = (first.b.rows(), first.a.cols());
    let rank = a.len() / columns;
    Some(LowRank {
        a: PackedMatrix::pack_f32(&a, rank, columns),
        b: PackedMatrix::pack_f32(&b, rows, rank),
        scale: 1.0,
    })
}

/// The same of an embedding.
fn embedding(products: &[(&EmbedLowRank, f32)]) -> Option<EmbedLowRank> {
    let (first, _) = products.first()?;
    let a: Vec<_> = products.iter().map(|(it, _)| (it.a.clone(), it.b.cols())).collect();
    let b = products
        .iter()
        .map(|(it, strength)| (scaled(unpacked(&it.b), it.scale * strength), it.b.cols()));
    let (a, b) = (side_by_side(&a), side_by_side(&b.collect::<Vec<_>>()));
    let hidden = first.b.rows();
    let rank = b.len() / hidden;
    Some(EmbedLowRank { a, b: PackedMatrix::pack_f32(&b, hidden, rank), scale: 1.0 })
}

fn bias(deltas: &[(&LinearDelta, f32)]) -> Option<Vec<f32>> {
    let biases = deltas.iter().map(|(delta, strength)| (delta.bias.as_deref(), *strength));
    sum(biases, 0.0, |bias| bias)
}

/// `1 + Σ wᵢ (gᵢ - 1)`.
fn gain<'a>(gains: impl Iterator<Item = (Option<&'a [f32]>, f32)>) -> Option<Vec<f32>> {
    sum(gains, 1.0, |gain| gain - 1.0)
}

/// `start + Σ wᵢ of(vᵢ)`; `None` where there is no vector.
fn sum<'a>(
    vectors: impl Iterator<Item = (Option<&'a [f32]>, f32)>,
    start: f32,
    of: impl Fn(f32) -> f32,
) -> Option<Vec<f32>> {
    let mut all: Option<Vec<f32>> = None;
    for (vector, strength) in vectors {
        let Some(vector) = vector else { continue };
        let all = all.get_or_insert_with(|| vec![start; vector.len()]);
        all.iter_mut().zip(vector).for_each(|(sum, value)| *sum += strength * of(*value));
    }
    all
}

fn scaled(mut values: Vec<f32>, factor: f32) -> Vec<f32> {
    values.iter_mut().for_each(|value| *value *= factor);
    values
}

/// Matrices `[n, rᵢ]`, each with its rank, side by side: `[n, Σ rᵢ]`.
fn side_by_side(parts: &[(Vec<f32>, usize)]) -> Vec<f32> {
    let rows = parts.first().map_or(0, |(values, rank)| values.len() / rank);
    let row = |i: usize| parts.iter().flat_map(move |(values, rank)| &values[i * rank..][..*rank]);
    (0..rows).flat_map(row).copied().collect()
}
