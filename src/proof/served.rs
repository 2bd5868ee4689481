//! What adapters make of the rows of one weight, from the very matrices that the engine wears.

use crate::model::{AdapterWeights, EmbedChange, LinearDelta};
use formats::peft::Place;
use kernels::{PackedMatrix, transposed};

/// What one adapter makes of a module's weight: `gain ∘ W + scale · x · y`, `W` the base's or its own.
struct Part<'a> {
    /// The weight in place of the base's.
    whole: Option<&'a PackedMatrix>,
    gain: Gain<'a>,
    product: Option<Product<'a>>,
    /// How strongly the adapter is worn.
    strength: f32,
}

/// DoRA's factor.
enum Gain<'a> {
    None,
    /// One a row: a linear's outputs.
    Rows(&'a [f32]),
    /// One a column: the embedding's features.
    Columns(&'a [f32]),
}

/// `scale · x · y`.
struct Product<'a> {
    x: Left<'a>,
    /// `[r, k]`.
    y: Vec<f32>,
    rank: usize,
    scale: f32,
}

/// `x`, `[n, r]`.
enum Left<'a> {
    Packed(&'a PackedMatrix),
    Plain(&'a [f32]),
}

/// What adapters, each with its strength, change in the weight of one module.
pub(super) struct ServedChange<'a> {
    parts: Vec<Part<'a>>,
}

impl<'a> ServedChange<'a> {
    /// Of the module at `place`.
    pub(super) fn of(place: Place, worn: &'a [(&AdapterWeights, f32)]) -> Self {
        let part = |&(adapter, strength): &(&'a AdapterWeights, f32)| match place {
            Place::Linear(layer, site) => {
                Some(linear(None, Some(adapter.delta(layer, site)?), strength))
            }
            Place::Embed => Some(embed(adapter.embed.as_ref()?, strength)),
            Place::Head => {
                let head = adapter.head.as_ref()?;
                Some(linear(head.weight.as_ref(), head.delta.as_ref(), strength))
            }
        };
        Self { parts: worn.iter().filter_map(part).collect() }
    }

    /// Whether nothing is changed.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Writes what is added to row `i`, `base [k]`, to `change [k]`.
    pub(super) fn row(&self, i: usize, base: &[f32], change: &mut [f32]) {
        change.fill(0.0);
        let mut served = vec![0.0; base.len()];
        for part in &self.parts {
            part.row(i, base, &mut served);
            for ((change, served), base) in change.iter_mut().zip(&served).zip(base) {
                *change += part.strength * (served - base);
            }
        }
    }
}

impl Part<'_> {
    fn row(&self, i: usize, base: &[f32], served: &mut [f32]) {
        match self.whole {
            Some(whole) => whole.read_row(i, served),
            None => served.copy_from_slice(base),
        }
        match self.gain {
            Gain::None => {}
            Gain::Rows(gain) => served.iter_mut().for_each(|value| *value *= gain[i]),
            Gain::Columns(gain) => served.iter_mut().zip(gain).for_each(|(v, gain)| *v *= gain),
        }
        if let Some(product) = &self.product {
            product.add_row(i, served);
        }
    }
}

impl Product<'_> {
    fn add_row(&self, i: usize, served: &mut [f32]) {
        let mut x = vec![0.0; self.rank];
        match self.x {
            Left::Packed(matrix) => matrix.read_row(i, &mut x),
            Left::Plain(values) => x.copy_from_slice(&values[i * self.rank..][..self.rank]),
        }
        for (x, y) in x.iter().zip(self.y.chunks_exact(served.len())) {
            let factor = self.scale * x;
            served.iter_mut().zip(y).for_each(|(value, y)| *value += factor * y);
        }
    }
}

fn linear<'a>(
    whole: Option<&'a PackedMatrix>,
    delta: Option<&'a LinearDelta>,
    strength: f32,
) -> Part<'a> {
    let gain = delta.and_then(|delta| delta.gain.as_deref());
    let low_rank = delta.and_then(|delta| delta.low_rank.as_ref());
    let product = low_rank.map(|low_rank| Product {
        x: Left::Packed(&low_rank.b),
        y: unpacked(&low_rank.a),
        rank: low_rank.a.rows(),
        scale: low_rank.scale,
    });
    Part { whole, gain: gain.map_or(Gain::None, Gain::Rows), product, strength }
}

fn embed(change: &EmbedChange, strength: f32) -> Part<'_> {
    let gain = change.gain.as_deref();
    let product = change.low_rank.as_ref().map(|low_rank| Product {
        x: Left::Plain(&low_rank.a),
        y: columns(&low_rank.b),
        rank: low_rank.b.cols(),
        scale: low_rank.scale,
    });
    let whole = change.weight.as_ref();
    Part { whole, gain: gain.map_or(Gain::None, Gain::Columns), product, strength }
}

/// A packed matrix row by row.
pub(super) fn unpacked(matrix: &PackedMatrix) -> Vec<f32> {
    let mut values = vec![0.0; matrix.rows() * matrix.cols()];
    for (i, row) in values.chunks_exact_mut(matrix.cols()).enumerate() {
        matrix.read_row(i, row);
    }
    values
}

/// A packed matrix column by column.
fn columns(matrix: &PackedMatrix) -> Vec<f32> {
    transposed(&unpacked(matrix), matrix.rows(), matrix.cols())
}
