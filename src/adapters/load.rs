//! An adapter folder to weights that rows can wear, with the report of what was found.

use super::base::{BaseInfo, Place};
use super::build::{Builder, Built};
use super::part::Part;
use super::plan::{Change, Plan, plan};
use super::report::ModuleReport;
use super::values::Values;
use super::whole::WholeWeights;
use super::{AdapterFiles, AdapterReport, Generation, GenerationId, Result};
use crate::model::{AdapterWeights, EmbedChange, HeadChange};
use formats::TensorView;
use kernels::PackedMatrix;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// An adapter that fits its base, ready to wear.
#[derive(Debug, Clone)]
pub struct LoadedAdapter {
    /// Hash of its files.
    pub id: GenerationId,
    /// What it changes in the model.
    pub weights: Arc<AdapterWeights>,
    /// What was found.
    pub report: Arc<AdapterReport>,
}

impl LoadedAdapter {
    /// The same content as a generation that is loaded already.
    pub(super) fn shared(other: &Generation) -> Self {
        Self { id: other.id, weights: other.weights.clone(), report: other.report.clone() }
    }
}

/// Loads the PEFT adapter folder `dir` for `base`.
///
/// An adapter without any effect is loaded; [`AdapterReport::has_no_effect`] tells.
///
/// # Errors
/// Anything about the folder that is damaged, not supported, or disagrees with itself or the base.
pub fn load(dir: &Path, base: &BaseInfo) -> Result<LoadedAdapter> {
    AdapterFiles::read(dir)?.load(base)
}

impl AdapterFiles {
    /// Makes of these files what `base` can wear.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self, base: &BaseInfo) -> Result<LoadedAdapter> {
        let plan = plan(self, base)?;
        let whole = WholeWeights::of(&plan, self, base)?;
        let builder = Builder { dir: &self.dir, base, whole: &whole };
        let built = plan
            .changes
            .par_iter()
            .map(|change| builder.build(change))
            .collect::<Result<Vec<_>>>()?;
        let modules = std::iter::zip(&plan.changes, &built);
        let modules =
            modules.map(|(change, (_, effect))| module(change, &whole, *effect)).collect();
        let weights = Arc::new(self.assemble(base, &plan, built, &whole)?);
        let report = AdapterReport::new(self, base, modules, plan.warnings, weights.bytes());
        Ok(LoadedAdapter { id: self.id(), weights, report: Arc::new(report) })
    }

    fn assemble(
        &self,
        base: &BaseInfo,
        plan: &Plan,
        built: Vec<(Built, bool)>,
        whole: &WholeWeights,
    ) -> Result<AdapterWeights> {
        let layers = (0..base.config.num_hidden_layers).map(|_| Default::default()).collect();
        let mut weights = AdapterWeights { layers, embed: None, head: None };
        for (change, (built, _)) in plan.changes.iter().zip(built) {
            match (change.place, built) {
                (Place::Linear(layer, site), Built::Linear(delta)) => {
                    let acts = delta.low_rank.is_some() || delta.bias.is_some();
                    weights.layers[layer][site as usize] = acts.then_some(delta);
                }
                (_, Built::Linear(delta)) if delta.low_rank.is_some() => {
                    weights.head = Some(HeadChange { weight: None, delta: Some(delta) });
                }
                (_, Built::Embed(embed)) if embed.low_rank.is_some() => weights.embed = Some(embed),
                _ => {}
            }
        }
        if let Some(view) = &whole.embed {
            let embed = weights.embed.get_or_insert_with(EmbedChange::default);
            embed.weight = Some(self.pack(view)?);
        }
        if let Some(view) = &whole.head {
            let head = weights.head.get_or_insert_with(HeadChange::default);
            head.weight = Some(self.pack(view)?);
        }
        Ok(weights)
    }

    fn pack(&self, view: &TensorView) -> Result<PackedMatrix> {
        let (rows, columns) = (view.shape[0], view.shape[1]);
        Ok(Values::read(view, &self.dir)?.pack(rows, columns))
    }
}

fn module(change: &Change, whole: &WholeWeights, has_effect: bool) -> ModuleReport {
    let replaced = whole.at(change.place).is_some();
    let counts = |part: &Part| *part != Part::Weight || replaced;
    let parts = change.parts.iter().filter(|(part, _)| counts(part));
    ModuleReport {
        module: change.place.path(),
        name: change.place.name(),
        rank: change.pair.map(|(rank, _)| rank),
        scale: change.pair.map(|(_, scale)| scale),
        parameters: parts.map(|(_, view)| view.elements()).sum(),
        replaced,
        has_effect: has_effect || replaced,
    }
}
