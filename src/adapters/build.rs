//! From the planned tensors of one module to what the kernels take: products packed, DoRA's gains
//! and replaced biases worked out against the base.

use super::base::{BaseInfo, Precision};
use super::dora::{Added, column_norms, row_norms};
use super::values::Values;
use super::{Problem, Result};
use crate::model::{EmbedChange, EmbedLowRank, LinearDelta, LowRank, Stored};
use formats::peft::{Change, Part, Place, WholeWeights};
use kernels::{PackedMatrix, transposed};
use std::borrow::Cow;
use std::path::Path;

/// How far a DoRA gain may lie from 1 and still change nothing: rounding of the norms.
const GAIN_ROUNDING: f32 = 1e-5;

/// One module's change, ready to wear.
pub(super) enum Built {
    /// A linear's or the head's.
    Linear(LinearDelta),
    /// The embedding's, without a whole replacement.
    Embed(EmbedChange),
}

/// Builds single modules of the adapter in `dir`.
pub(super) struct Builder<'a> {
    pub(super) dir: &'a Path,
    pub(super) base: &'a BaseInfo,
    /// What the adapter puts in place of the base's weights.
    pub(super) whole: &'a WholeWeights<'a>,
}

/// A and B of a module as numbers.
struct Pair<'a> {
    a: Values<'a>,
    b: Values<'a>,
    rank: usize,
    scale: f32,
    precision: Precision,
}

impl Builder<'_> {
    /// What the module wears, and whether it has any effect.
    pub(super) fn build(&self, change: &Change) -> Result<(Built, bool)> {
        let pair = self.pair(change)?;
        let changes = pair.as_ref().is_some_and(Pair::has_effect);
        if change.place == Place::Embed {
            let (embed, gained) = self.embed(change, pair.as_ref())?;
            return Ok((Built::Embed(embed), changes || gained));
        }
        let gain = match &pair {
            Some(pair) => self.linear_gain(change, pair)?,
            None => None,
        };
        let bias = self.bias(change, pair.as_ref())?;
        let low_rank = pair.as_ref().map(|pair| {
            let (n, k) = change.place.shape(&self.base.config);
            let (a, b) = (pair.a.pack(pair.rank, k), pair.packed_b(n, gain.as_deref()));
            LowRank { a, b, scale: pair.scale }
        });
        let has_effect = changes || bias.is_some() || gain.as_deref().is_some_and(gains);
        Ok((Built::Linear(LinearDelta { low_rank, gain, bias }), has_effect))
    }

    /// The weight that the product is added to.
    fn weight(&self, place: Place) -> Result<Stored<'_>> {
        match self.whole.at(place) {
            Some(view) => Ok(Stored::of(view)),
            None => self.base.weight(place),
        }
    }

    fn pair<'c>(&self, change: &Change<'c>) -> Result<Option<Pair<'c>>> {
        let Some((rank, scale)) = change.pair else { return Ok(None) };
        let (Some(a), Some(b)) = (self.part(change, Part::A)?, self.part(change, Part::B)?) else {
            return Ok(None);
        };
        let precision = self.base.precision;
        let (a, b) = (a.held_as(precision), b.held_as(precision));
        // Activations are f32, so their factor is.
        Ok(Some(Pair { a, b, rank, scale: scale as f32, precision }))
    }

    fn part<'c>(&self, change: &Change<'c>, part: Part) -> Result<Option<Values<'c>>> {
        change.parts.get(&part).map(|view| Values::read(view, self.dir)).transpose()
    }

    fn embed(&self, change: &Change, pair: Option<&Pair>) -> Result<(EmbedChange, bool)> {
        let Some(pair) = pair else { return Ok((EmbedChange::default(), false)) };
        let (vocab, hidden) = change.place.shape(&self.base.config);
        let a = transposed(&pair.a.to_f32(), pair.rank, vocab);
        let gain = match self.part(change, Part::Magnitude)? {
            Some(magnitude) => {
                let y = pair.b.to_f32();
                let added = Added { x: &a, y: &y, rank: pair.rank, scale: pair.scale };
                let norms = column_norms(&self.weight(change.place)?.view(), &added)?;
                Some(self.divide(change, &magnitude.to_f32(), &norms)?)
            }
            None => None,
        };
        let gained = gain.as_deref().is_some_and(gains);
        let b = pair.packed_b(hidden, gain.as_deref());
        let low_rank = Some(EmbedLowRank { a, b, scale: pair.scale });
        Ok((EmbedChange { weight: None, gain, low_rank }, gained))
    }

    /// DoRA's factor for each output of a linear.
    fn linear_gain(&self, change: &Change, pair: &Pair) -> Result<Option<Vec<f32>>> {
        let Some(magnitude) = self.part(change, Part::Magnitude)? else { return Ok(None) };
        let (_, k) = change.place.shape(&self.base.config);
        let y = transposed(&pair.a.to_f32(), pair.rank, k);
        let added = Added { x: &pair.b.to_f32(), y: &y, rank: pair.rank, scale: pair.scale };
        let norms = row_norms(&self.weight(change.place)?.view(), &added)?;
        self.divide(change, &magnitude.to_f32(), &norms).map(Some)
    }

    fn divide(&self, change: &Change, magnitude: &[f32], norms: &[f32]) -> Result<Vec<f32>> {
        let gain: Vec<f32> = magnitude.iter().zip(norms).map(|(m, norm)| m / norm).collect();
        match gain.iter().position(|g| !g.is_finite()) {
            None => Ok(gain),
            Some(index) => {
                let tensor = format!("{} (its direction's norm)", change.place.path());
                Err(Problem::NotFinite { tensor, value: norms[index], index }.of(self.dir).into())
            }
        }
    }

    /// What is added to each output: B's bias, and the step from the base's bias to the adapter's;
    /// `None` if that is zero throughout.
    fn bias(&self, change: &Change, pair: Option<&Pair>) -> Result<Option<Vec<f32>>> {
        let mut added: Option<Vec<f32>> = None;
        if let (Some(bias), Some(pair)) = (self.part(change, Part::BBias)?, pair) {
            added = Some(bias.to_f32().iter().map(|v| v * pair.scale).collect());
        }
        if let Some(new) = self.part(change, Part::Bias)? {
            let old = self.base.bias(change.place)?.view().to_f32()?;
            let sum = added.get_or_insert_with(|| vec![0.0; old.len()]);
            for ((sum, new), old) in sum.iter_mut().zip(new.to_f32().iter()).zip(old) {
                *sum += new - old;
            }
        }
        Ok(added.filter(|added| added.iter().any(|v| *v != 0.0)))
    }
}

impl Pair<'_> {
    fn has_effect(&self) -> bool {
        self.scale != 0.0 && !self.a.is_zero() && !self.b.is_zero()
    }

    /// B `[n, r]`, its rows multiplied by the gain.
    fn packed_b(&self, n: usize, gain: Option<&[f32]>) -> PackedMatrix {
        let Some(gain) = gain else { return self.b.pack(n, self.rank) };
        let mut b: Cow<[f32]> = self.b.to_f32();
        for (row, gain) in b.to_mut().chunks_exact_mut(self.rank).zip(gain) {
            row.iter_mut().for_each(|value| *value *= gain);
        }
        Values::F32(b).held_as(self.precision).pack(n, self.rank)
    }
}

fn gains(gain: &[f32]) -> bool {
    gain.iter().any(|g| (g - 1.0).abs() > GAIN_ROUNDING)
}
