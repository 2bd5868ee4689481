//! What merging did, in figures: how large each change is, and how much of it survives rounding.

use super::Merged;
use crate::checkpoint::Rows;
use crate::folder::FileDigest;
use crate::{Result, TensorInfo};
use formats::{TensorView, round_to};
use serde::Serialize;
use std::borrow::Cow;
use std::path::Path;

/// What became of a base and adapters. The same inputs give the same report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MergeReport {
    /// The program, e.g. `wardrobe 0.1.0`.
    pub tool: String,
    /// The base.
    pub base: Source,
    /// How the base was chosen, where there was a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_choice: Option<BaseChoice>,
    /// The adapters, in order.
    pub adapters: Vec<WeightedSource>,
    /// What they were trained on, where that is known.
    pub data: Vec<Source>,
    /// How they were combined.
    pub combine: String,
    /// The types that the weights are stored as.
    pub dtypes: Vec<&'static str>,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
    /// Every tensor that differs from the base's, in the model's order.
    pub modules: Vec<ModuleReport>,
    /// Over all of them.
    pub total: Change,
    /// What a user should know, each a sentence.
    pub warnings: Vec<String>,
    /// Every file of the package but this report and the card.
    pub files: Vec<FileDigest>,
    /// SHA-256 of the lines that `sha256sum` prints for these files.
    pub digest: String,
}

/// The two bases that a merge could go onto, measured. Losses are nats a token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaseChoice {
    /// The file of held-out data.
    pub data: String,
    /// Examples in it.
    pub examples: usize,
    /// Tokens that the loss is taken on.
    pub labels: usize,
    /// Loss of the merge onto the de-quantized base.
    pub dequantized_loss: f64,
    /// Loss of the merge onto the original.
    pub original_loss: f64,
    /// Standard error of the difference of the two, over examples.
    pub standard_error: f64,
    /// Which was taken: the lower.
    pub chosen: ChosenBase,
}

/// One of two bases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChosenBase {
    /// The quantized one, de-quantized.
    Dequantized,
    /// The one that was quantized.
    Original,
}

/// A model, an adapter or data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The last part of its path, or its hub id.
    pub name: String,
    /// SHA-256 of its configuration and weights; of data, of its examples as tokens.
    pub digest: String,
}

/// An adapter and how much of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightedSource {
    /// Which.
    #[serde(flatten)]
    pub source: Source,
    /// Its factor.
    pub weight: f64,
}

/// One changed tensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModuleReport {
    /// Its full name.
    pub tensor: String,
    /// How it changed.
    #[serde(flatten)]
    pub change: Change,
}

/// The size of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Change {
    /// Euclidean length of new − old, before rounding.
    pub delta_norm: f64,
    /// Euclidean length of old.
    pub base_norm: f64,
    /// The first by the second.
    pub ratio: f64,
    /// The largest step of a single value.
    pub max_abs: f64,
    /// Values.
    pub entries: u64,
    /// Values that differ before rounding.
    pub changed: u64,
    /// Those among them that rounding makes equal to the base's again.
    pub lost: u64,
}

/// The change of some rows; lengths are still squared.
#[derive(Clone, Copy, Default)]
pub(super) struct RowsChange {
    delta: f64,
    base: f64,
    max_abs: f32,
    entries: u64,
    changed: u64,
    lost: u64,
}

impl RowsChange {
    /// Of rows on their way to a file; `None` for a tensor that is the base's own.
    pub(super) fn of(merged: &Merged, rows: &Rows) -> Result<Option<Self>> {
        let Some(tensor) = merged.base_of(rows.tensor) else { return Ok(None) };
        let mut base = vec![0.0; rows.values.len()];
        merged.base().read_rows(tensor, rows.rows.clone(), &mut base)?;
        let stored = widened(rows, rows.bytes)?;
        // The base's values as they would be stored; its own type holds them as they are.
        let unchanged = match rows.dtype == tensor.dtype {
            true => Cow::from(&base),
            false => Cow::from(widened(rows, &round_to(rows.dtype, &base).unwrap_or_default())?),
        };
        let mut change = Self { entries: base.len() as u64, ..Self::default() };
        for (i, (new, old)) in rows.values.iter().zip(&base).enumerate() {
            let step = new - old;
            change.delta += f64::from(step) * f64::from(step);
            change.base += f64::from(*old) * f64::from(*old);
            change.max_abs = change.max_abs.max(step.abs());
            change.changed += u64::from(step != 0.0);
            change.lost += u64::from(step != 0.0 && stored[i] == unchanged[i]);
        }
        Ok(Some(change))
    }

    fn plus(self, other: Self) -> Self {
        Self {
            delta: self.delta + other.delta,
            base: self.base + other.base,
            max_abs: self.max_abs.max(other.max_abs),
            entries: self.entries + other.entries,
            changed: self.changed + other.changed,
            lost: self.lost + other.lost,
        }
    }

    fn change(self) -> Change {
        let (delta_norm, base_norm) = (self.delta.sqrt(), self.base.sqrt());
        Change {
            delta_norm,
            base_norm,
            ratio: if base_norm > 0.0 { delta_norm / base_norm } else { 0.0 },
            max_abs: f64::from(self.max_abs),
            entries: self.entries,
            changed: self.changed,
            lost: self.lost,
        }
    }
}

fn widened(rows: &Rows, bytes: &[u8]) -> Result<Vec<f32>> {
    let shape = [rows.values.len()];
    let (name, dtype) = (rows.tensor.name.as_str(), rows.dtype);
    Ok(TensorView { name, dtype, shape: &shape, bytes, path: Path::new("") }.to_f32()?)
}

/// The changed tensors and their sum. Rows are added in order, so that the figures do not depend on
/// which thread was first.
pub(super) fn modules(
    tensors: &[(TensorInfo, Vec<Option<RowsChange>>)],
) -> (Vec<ModuleReport>, Change) {
    let (mut modules, mut total) = (Vec::new(), RowsChange::default());
    for (tensor, rows) in tensors {
        let sum = rows.iter().copied().flatten().reduce(RowsChange::plus);
        if let Some(sum) = sum {
            total = total.plus(sum);
            modules.push(ModuleReport { tensor: tensor.name.clone(), change: sum.change() });
        }
    }
    (modules, total.change())
}
