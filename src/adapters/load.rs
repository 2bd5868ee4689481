//! An adapter folder to weights that rows can wear, with the report of what was found.

use super::base::BaseInfo;
use super::build::{Builder, Built};
use super::report::ModuleReport;
use super::values::Values;
use super::{AdapterError, AdapterReport, Generation, GenerationId, Result};
use crate::model::{AdapterWeights, EmbedChange, HeadChange};
use formats::TensorView;
use formats::peft::{AdapterFiles, Change, Part, Place, Plan, WholeWeights};
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
    load_files(&AdapterFiles::read(dir)?, base)
}

/// Makes of these files what `base` can wear; errors as [`load`].
pub(super) fn load_files(files: &AdapterFiles, base: &BaseInfo) -> Result<LoadedAdapter> {
    Loader { files, base }.load()
}

struct Loader<'a> {
    files: &'a AdapterFiles,
    base: &'a BaseInfo,
}

impl<'a> Loader<'a> {
    fn load(&self) -> Result<LoadedAdapter> {
        let (files, base) = (self.files, self.base);
        let plan = files.plan(&base.config)?;
        let whole = self.whole(&plan)?;
        let builder = Builder { dir: files.dir(), base, whole: &whole };
        let built = plan
            .changes
            .par_iter()
            .map(|change| builder.build(change))
            .collect::<Result<Vec<_>>>()?;
        let modules = std::iter::zip(&plan.changes, &built);
        let modules =
            modules.map(|(change, (_, effect))| module(change, &whole, *effect)).collect();
        let weights = Arc::new(self.assemble(&plan, built, &whole)?);
        let report = AdapterReport::new(files, base, modules, plan.warnings, weights.bytes());
        Ok(LoadedAdapter { id: GenerationId::of_files(files), weights, report: Arc::new(report) })
    }

    /// What the adapter replaces whole; copies that equal the base's values are dropped.
    fn whole(&self, plan: &Plan<'a>) -> Result<WholeWeights<'a>> {
        let changed = |weight: Option<TensorView<'a>>, place| match weight {
            Some(weight) if !weight.same_values(&self.base.weight(place)?.view())? => {
                Ok(Some(weight))
            }
            _ => Ok::<_, AdapterError>(None),
        };
        let whole = WholeWeights::of(plan, self.files, &self.base.config)?;
        Ok(WholeWeights {
            embed: changed(whole.embed, Place::Embed)?,
            head: changed(whole.head, Place::Head)?,
        })
    }

    fn assemble(
        &self,
        plan: &Plan,
        built: Vec<(Built, bool)>,
        whole: &WholeWeights,
    ) -> Result<AdapterWeights> {
        let layers = (0..self.base.config.num_hidden_layers).map(|_| Default::default()).collect();
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
        Ok(Values::read(view, self.files.dir())?.pack(rows, columns))
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
