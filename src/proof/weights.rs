//! Every module of a package against base + adapters as served, streamed by rows.

use super::carried::{Carried, Sums, Value};
use super::served::ServedChange;
use super::{Error, Result, Rounding};
use crate::model::AdapterWeights;
use export::{TensorInfo, Weights};
use formats::peft::Place;
use formats::{Architecture, ModelConfig};
use rayon::prelude::*;

/// Values that are compared at a time.
const CHUNK: usize = 1 << 16;

/// A written package, read back.
pub struct Package<'a> {
    /// Its values under the names of Hugging Face checkpoints.
    pub weights: &'a dyn Weights,
    /// How the tensor of such a name is stored.
    pub rounding: &'a (dyn Fn(&str) -> Rounding + Sync),
}

/// What was found of one module.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleProof {
    /// The module's full name.
    pub module: String,
    /// How the package stores it.
    pub rounding: Rounding,
    /// What it carries of the adapters' change; `None` where they change nothing.
    pub carried: Option<Carried>,
    /// Root mean square difference from what it should be, relative.
    pub relative_error: f64,
}

/// What was found of a whole package.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightsProof {
    /// Module by module.
    pub modules: Vec<ModuleProof>,
    /// What it carries over all modules; `None` without an adapter.
    pub total: Option<Carried>,
}

/// Compares every weight of the package with `base` worn with `worn`, each adapter with its strength.
///
/// # Errors
/// [`Error::Disproven`] for a tensor that is missing or has another shape; values that cannot be read.
pub fn prove_weights(
    package: &Package,
    base: &dyn Weights,
    worn: &[(&AdapterWeights, f32)],
    config: &ModelConfig,
) -> Result<WeightsProof> {
    let sides = Sides { package, base };
    let (mut modules, mut total) = (Vec::new(), Sums::default());
    for place in Place::all(config) {
        let served = ServedChange::of(place, worn);
        let sums = sides.matrix(place, &served)?;
        total += sums;
        modules.push(sides.proof(sides.weight_name(place)?, &sums));
        if let Some((name, sums)) = sides.bias(place, worn)? {
            total += sums;
            modules.push(sides.proof(name, &sums));
        }
    }
    for name in norms(config) {
        let sums = sides.vector(&name, None)?;
        modules.push(sides.proof(name, &sums));
    }
    Ok(WeightsProof { modules, total: total.carried() })
}

struct Sides<'a> {
    package: &'a Package<'a>,
    base: &'a dyn Weights,
}

impl Sides<'_> {
    fn proof(&self, tensor: String, sums: &Sums) -> ModuleProof {
        let rounding = (self.package.rounding)(&tensor);
        let module = tensor.strip_suffix(".weight").map_or(tensor.clone(), str::to_owned);
        let (carried, relative_error) = (sums.carried(), sums.relative_error());
        ModuleProof { module, rounding, carried, relative_error }
    }

    /// The package's tensor at a place; a head that it lacks is tied to the embedding.
    fn weight_name(&self, place: Place) -> Result<String> {
        Ok(tied(self.package.weights, place).map_err(missing)?.name.clone())
    }

    fn matrix(&self, place: Place, served: &ServedChange) -> Result<Sums> {
        let theirs = tied(self.package.weights, place).map_err(missing)?;
        let base = tied(self.base, place).map_err(missing)?;
        same_shape(theirs, base)?;
        let rounding = (self.package.rounding)(&theirs.name);
        let step = (CHUNK / base.columns()).max(1);
        let starts: Vec<usize> = (0..base.rows()).step_by(step).collect();
        let chunk = |start: usize| -> Result<Sums> {
            let rows = start..(start + step).min(base.rows());
            let columns = base.columns();
            let (mut w, mut p) = (vec![0.0; rows.len() * columns], vec![0.0; rows.len() * columns]);
            self.base.read_rows(base, rows.clone(), &mut w)?;
            self.package.weights.read_rows(theirs, rows.clone(), &mut p)?;
            let (mut sums, mut change) = (Sums::default(), vec![0.0; columns]);
            for (i, (w, p)) in rows.zip(w.chunks_exact(columns).zip(p.chunks_exact(columns))) {
                if !served.is_empty() {
                    served.row(i, w, &mut change);
                }
                add_row(&mut sums, rounding, [w, &change, p]);
            }
            Ok(sums)
        };
        let parts = starts.into_par_iter().map(chunk).collect::<Result<Vec<_>>>()?;
        self.base.release(base);
        self.package.weights.release(theirs);
        // In order, so that the figures do not depend on the number of threads.
        Ok(parts.into_iter().fold(Sums::default(), |mut sum, part| {
            sum += part;
            sum
        }))
    }

    /// The bias of a module, where either side has one or the adapters add one.
    fn bias(
        &self,
        place: Place,
        worn: &[(&AdapterWeights, f32)],
    ) -> Result<Option<(String, Sums)>> {
        let name = format!("{}.bias", place.path());
        let added = added_bias(place, worn);
        let exists = |side: &dyn Weights| find(side, &name).is_some();
        if added.is_none() && !exists(self.base) && !exists(self.package.weights) {
            return Ok(None);
        }
        let sums = self.vector(&name, added.as_deref())?;
        Ok(Some((name, sums)))
    }

    /// A vector; one that the base lacks counts as zeros there.
    fn vector(&self, name: &str, added: Option<&[f32]>) -> Result<Sums> {
        let theirs = find(self.package.weights, name).ok_or_else(|| missing(name.to_owned()))?;
        let columns = theirs.elements();
        let (mut w, mut p) = (vec![0.0; columns], vec![0.0; columns]);
        if let Some(base) = find(self.base, name) {
            same_shape(theirs, base)?;
            self.base.read_rows(base, 0..1, &mut w)?;
        }
        self.package.weights.read_rows(theirs, 0..1, &mut p)?;
        let change = added.map_or_else(|| vec![0.0; columns], <[f32]>::to_vec);
        if change.len() != columns {
            return Err(Error::Disproven(format!(
                "`{name}` has {columns} values, expected {}",
                change.len()
            )));
        }
        let mut sums = Sums::default();
        add_row(&mut sums, (self.package.rounding)(name), [&w, &change, &p]);
        Ok(sums)
    }
}

fn add_row(sums: &mut Sums, rounding: Rounding, [w, change, p]: [&[f32]; 3]) {
    for ((&base, &change), &package) in w.iter().zip(change).zip(p) {
        let rounded = rounding.apply(base + change);
        sums.add(&Value { base, change, rounded, package });
    }
}

/// What the adapters add to a linear's bias; `None` if nothing.
fn added_bias(place: Place, worn: &[(&AdapterWeights, f32)]) -> Option<Vec<f32>> {
    let mut sum: Option<Vec<f32>> = None;
    for (adapter, strength) in worn {
        let delta = match place {
            Place::Linear(layer, site) => adapter.delta(layer, site),
            Place::Head => adapter.head.as_ref().and_then(|head| head.delta.as_ref()),
            Place::Embed => None,
        };
        if let Some(bias) = delta.and_then(|delta| delta.bias.as_ref()) {
            let sum = sum.get_or_insert_with(|| vec![0.0; bias.len()]);
            sum.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += strength * bias);
        }
    }
    sum
}

/// Every norm of a model.
fn norms(config: &ModelConfig) -> Vec<String> {
    let mut parts = vec!["input_layernorm", "post_attention_layernorm"];
    if config.architecture == Architecture::Qwen3 {
        parts.extend(["self_attn.q_norm", "self_attn.k_norm"]);
    }
    let layers = (0..config.num_hidden_layers).flat_map(|layer| {
        parts.iter().map(move |part| format!("model.layers.{layer}.{part}.weight"))
    });
    layers.chain(["model.norm.weight".to_owned()]).collect()
}

/// The weight at a place; a missing head is the embedding. Else the name that is missing.
pub(super) fn tied(side: &dyn Weights, place: Place) -> Result<&TensorInfo, String> {
    let name = |place: Place| format!("{}.weight", place.path());
    let own = find(side, &name(place));
    let found = match place {
        Place::Head => own.or_else(|| find(side, &name(Place::Embed))),
        _ => own,
    };
    found.ok_or_else(|| name(place))
}

fn find<'a>(side: &'a dyn Weights, name: &str) -> Option<&'a TensorInfo> {
    side.tensors().iter().find(|tensor| tensor.name == name)
}

pub(super) fn missing(name: String) -> Error {
    Error::Disproven(format!("tensor `{name}` is missing"))
}

fn same_shape(theirs: &TensorInfo, base: &TensorInfo) -> Result<()> {
    if theirs.shape == base.shape {
        return Ok(());
    }
    Err(Error::Disproven(format!(
        "tensor `{}` has shape {:?}, expected {:?}",
        theirs.name, theirs.shape, base.shape
    )))
}
