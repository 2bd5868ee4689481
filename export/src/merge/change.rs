//! What one adapter makes of one weight, row by row: replaced whole, a low-rank product added, DoRA's
//! magnitudes put in. Biases and which weight it is are `adapter`'s and `merged`'s business.

use super::low_rank::LowRank;
use crate::Result;
use formats::TensorView;
use formats::peft::AdapterFiles;
use std::ops::Range;
use std::sync::Arc;

/// One adapter's change of one weight `[rows, columns]`.
#[derive(Default)]
pub(super) struct Change {
    /// What stands in place of the base's weight.
    pub(super) whole: Option<Whole>,
    pub(super) low_rank: Option<LowRank>,
    pub(super) direction: Option<Direction>,
}

/// A tensor of an adapter's file, left there until its rows are asked for.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) files: Arc<AdapterFiles>,
    pub(super) tensor: String,
}

/// DoRA: the sum of base and product is a direction, brought to a learnt length.
#[derive(PartialEq)]
pub(super) enum Direction {
    /// Length of each row; a row's present length is its own.
    Rows(Vec<f32>),
    /// Factor of each column, worked out over all rows beforehand.
    Columns(Vec<f32>),
}

impl Change {
    /// Whether nothing but a product is added, so that the difference needs no base.
    pub(super) fn is_sum(&self) -> bool {
        self.whole.is_none() && self.direction.is_none()
    }

    /// Writes what the adapter makes of the rows `base` to `out`, both `[rows, columns]`.
    pub(super) fn apply(&self, rows: Range<usize>, base: &[f32], out: &mut [f32]) -> Result<()> {
        self.undirected(rows.clone(), base, out)?;
        match &self.direction {
            Some(Direction::Rows(lengths)) => {
                let columns = out.len() / rows.len();
                for (row, length) in out.chunks_exact_mut(columns).zip(&lengths[rows]) {
                    let factor = length / norm(row);
                    row.iter_mut().for_each(|value| *value *= factor);
                }
            }
            Some(Direction::Columns(factors)) => {
                for row in out.chunks_exact_mut(factors.len()) {
                    row.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
                }
            }
            None => {}
        }
        Ok(())
    }

    /// As [`apply`](Self::apply), without DoRA's lengths.
    pub(super) fn undirected(
        &self,
        rows: Range<usize>,
        base: &[f32],
        out: &mut [f32],
    ) -> Result<()> {
        match &self.whole {
            Some(whole) => whole.read_rows(rows.clone(), out)?,
            None => out.copy_from_slice(base),
        }
        if let Some(low_rank) = &self.low_rank {
            low_rank.add_rows(rows, 1.0, out);
        }
        Ok(())
    }

    /// Adds `weight ·` (what the adapter makes of `base` − `base`) to `sum`.
    pub(super) fn add_difference(
        &self,
        rows: Range<usize>,
        base: &[f32],
        weight: f32,
        sum: &mut [f32],
    ) -> Result<()> {
        if let (true, Some(low_rank)) = (self.is_sum(), &self.low_rank) {
            low_rank.add_rows(rows, weight, sum);
            return Ok(());
        }
        let mut changed = vec![0.0; sum.len()];
        self.apply(rows, base, &mut changed)?;
        for ((sum, new), old) in sum.iter_mut().zip(changed).zip(base) {
            *sum += weight * (new - old);
        }
        Ok(())
    }

    /// Whether both do the same to any weight.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let whole = match (&self.whole, &other.whole) {
            (Some(a), Some(b)) => a.same_as(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        let low_rank = match (&self.low_rank, &other.low_rank) {
            (Some(a), Some(b)) => a.same_as(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        whole && low_rank && self.direction == other.direction
    }
}

impl Whole {
    fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let file = self.files.tensors();
        let Some(view) = file.get(&self.tensor) else {
            let (path, name) = (file.path().to_owned(), self.tensor.clone());
            return Err(formats::Error::MissingTensor { path, name }.into());
        };
        Ok(view.read_rows(rows, out)?)
    }

    /// Equal bytes of one place, or of two tensors.
    fn same_as(&self, other: &Self) -> bool {
        let (a, b) = (self.files.tensors().get(&self.tensor), other.tensor());
        let same = |a: &TensorView, b: &TensorView| (a.dtype, a.bytes) == (b.dtype, b.bytes);
        a.zip(b).is_some_and(|(a, b)| same(&a, &b))
    }

    fn tensor(&self) -> Option<TensorView<'_>> {
        self.files.tensors().get(&self.tensor)
    }
}

/// Euclidean length of a row: in f64 from partial sums in f32 over 64 terms each.
pub(super) fn norm(row: &[f32]) -> f32 {
    let part = |part: &[f32]| f64::from(part.iter().map(|v| v * v).sum::<f32>());
    row.chunks(64).map(part).sum::<f64>().sqrt() as f32
}
