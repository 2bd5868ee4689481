//! One adapter, proven to fit the base, taken apart into what it makes of each weight and bias.

use super::base::Base;
use super::change::{Change, Direction, Whole};
use super::low_rank::LowRank;
use crate::Result;
use formats::peft::{self, AdapterFiles, Part, Place, Plan, Problem, WholeWeights};
use kernels::transposed;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one adapter does to a base, by place.
pub(super) struct Changes {
    pub(super) weights: BTreeMap<Place, Change>,
    pub(super) biases: BTreeMap<Place, BiasChange>,
    pub(super) warnings: Vec<String>,
}

/// An adapter's change of one bias `[n]`.
#[derive(Default)]
pub(super) struct BiasChange {
    /// What stands in place of the base's.
    pub(super) replaced: Option<Vec<f32>>,
    /// What is added.
    pub(super) added: Option<Vec<f32>>,
}

/// A and B of a module as they are applied: `scale · x · yᵀ` is added to the weight `[rows, columns]`.
#[derive(Clone)]
pub(super) struct Factors {
    /// `[rows, rank]`.
    pub(super) x: Vec<f32>,
    /// `[columns, rank]`.
    pub(super) y: Vec<f32>,
    pub(super) rank: usize,
    pub(super) scale: f64,
}

impl Factors {
    /// The product, ready to be added by rows.
    pub(super) fn low_rank(self) -> LowRank {
        LowRank::new(self.x, &self.y, self.rank, self.scale as f32)
    }
}

impl Changes {
    /// Reads what `files` holds for `base`.
    ///
    /// # Errors
    /// The first disagreement between the adapter's files and the base; a value that is not finite.
    pub(super) fn read(files: &Arc<AdapterFiles>, base: Base) -> Result<Self> {
        let plan = files.plan(base.config)?;
        let mut changes =
            Self { weights: whole(files, base, &plan)?, biases: BTreeMap::new(), warnings: vec![] };
        for change in &plan.changes {
            changes.read_module(files, base, change)?;
        }
        changes.warnings = plan.warnings;
        Ok(changes)
    }

    fn read_module(
        &mut self,
        files: &AdapterFiles,
        base: Base,
        module: &peft::Change,
    ) -> Result<()> {
        let place = module.place;
        let part = |part| values(module, part, files);
        if let Some(factors) = factors(module, files)? {
            let change = self.weights.entry(place).or_default();
            change.low_rank = Some(factors.low_rank());
            if let Some(lengths) = part(Part::Magnitude)? {
                change.direction = Some(direction(place, lengths, change, base)?);
            }
        }
        let scale = module.pair.map_or(0.0, |(_, scale)| scale as f32);
        let scaled = |bias: Vec<f32>| bias.into_iter().map(|value| value * scale).collect();
        let (replaced, added) = (part(Part::Bias)?, part(Part::BBias)?.map(scaled));
        if replaced.is_some() || added.is_some() {
            self.biases.insert(place, BiasChange { replaced, added });
        }
        Ok(())
    }
}

/// The embedding and the head where they are replaced; a copy of the base's values replaces nothing.
fn whole(files: &Arc<AdapterFiles>, base: Base, plan: &Plan) -> Result<BTreeMap<Place, Change>> {
    let (found, mut changes) = (WholeWeights::of(plan, files, base.config)?, BTreeMap::new());
    for place in [Place::Embed, Place::Head] {
        let Some(view) = found.at(place) else { continue };
        if !base.holds(place, &view)? {
            let whole = Whole { files: files.clone(), tensor: view.name.to_owned() };
            changes.insert(place, Change { whole: Some(whole), ..Change::default() });
        }
    }
    Ok(changes)
}

/// DoRA's lengths, those of the embedding's columns divided by what the columns are long now.
fn direction(place: Place, lengths: Vec<f32>, change: &Change, base: Base) -> Result<Direction> {
    if place != Place::Embed {
        return Ok(Direction::Rows(lengths));
    }
    let apply = |rows, base: &[f32], out: &mut [f32]| change.undirected(rows, base, out);
    let norms = base.column_norms(base.weight(place)?, apply)?;
    Ok(Direction::Columns(lengths.iter().zip(norms).map(|(new, old)| new / old).collect()))
}

/// A and B of a module that has them.
///
/// # Errors
/// A value that is not finite.
pub(super) fn factors(module: &peft::Change, files: &AdapterFiles) -> Result<Option<Factors>> {
    let Some((rank, scale)) = module.pair else { return Ok(None) };
    let (a, b) = (values(module, Part::A, files)?, values(module, Part::B, files)?);
    let (Some(a), Some(b)) = (a, b) else { return Ok(None) };
    let across = a.len() / rank;
    Ok(Some(match module.place {
        Place::Embed => Factors { x: transposed(&a, rank, across), y: b, rank, scale },
        _ => Factors { x: b, y: transposed(&a, rank, across), rank, scale },
    }))
}

fn values(module: &peft::Change, part: Part, files: &AdapterFiles) -> Result<Option<Vec<f32>>> {
    let Some(view) = module.parts.get(&part) else { return Ok(None) };
    let values = view.to_f32()?;
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(Some(values)),
        Some(index) => {
            let (tensor, value) = (view.name.to_owned(), values[index]);
            Err(Problem::NotFinite { tensor, value, index }.of(files.dir()).into())
        }
    }
}
