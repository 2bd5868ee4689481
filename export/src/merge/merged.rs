//! A base with adapters merged on: another source of weights, whose rows are worked out when they are
//! asked for. Writing them is not its business.

use super::adapter::BiasChange;
use super::base::Base;
use super::change::Change;
use super::combine::Combination;
use crate::{Error, Result, TensorInfo, Weights};
use formats::ModelConfig;
use formats::peft::{AdapterFiles, Place};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A base model and adapters as one model.
///
/// With one adapter, the model that serving that adapter runs. With several, the base plus the
/// weighted sum of what each changes by itself: `W + Σ wᵢ (Mᵢ - W)`, or what a [`Combination`] makes of
/// them. All arithmetic is f32; nothing is rounded to the type of the base.
///
/// An adapter that changes the embedding or the head of a base that ties the two unties them: the head
/// becomes a tensor of its own. (PEFT's `merge_and_unload` changes both there, and the merged model
/// answers otherwise than the adapter did.)
pub struct Merged {
    base: Box<dyn Weights>,
    config: ModelConfig,
    tensors: Vec<TensorInfo>,
    changed: HashMap<String, Source>,
    warnings: Vec<String>,
}

/// Where a changed tensor comes from.
enum Source {
    /// The base's rows of a tensor, and the changes with their weights.
    Rows(TensorInfo, Vec<Term>),
    /// Values that are known.
    Vector(TensorInfo, Vec<f32>),
}

/// A change and how much of it.
type Term = (f32, Arc<Change>);
type Terms = BTreeMap<Place, Vec<Term>>;

impl Merged {
    /// Lays `adapters`, each with its weight, on a base with this configuration, whose folder `dir`
    /// is named in messages.
    ///
    /// # Errors
    /// An adapter that does not fit the base or holds values that are not finite; a change that the
    /// model has no tensor for; adapters that `combination` has no meaning for.
    pub fn new(
        base: Box<dyn Weights>,
        config: &ModelConfig,
        dir: &Path,
        adapters: Vec<(AdapterFiles, f64)>,
        combination: &Combination,
    ) -> Result<Self> {
        let shared = Base { weights: &*base, config, dir };
        let (mut terms, mut biases, mut warnings) = (Terms::new(), BTreeMap::new(), Vec::new());
        for (changes, weight) in combination.changes(adapters, shared)? {
            // Activations and weights are f32, so their factors are.
            let weight = weight as f32;
            for (place, change) in changes.weights {
                terms.entry(place).or_default().push((weight, Arc::new(change)));
            }
            for (place, change) in changes.biases {
                biases.entry(place).or_insert_with(Vec::new).push((weight, change));
            }
            warnings.extend(changes.warnings);
        }
        let mut merged = Self {
            config: config.clone(),
            tensors: base.tensors().to_vec(),
            changed: HashMap::new(),
            warnings,
            base,
        };
        let base = &*merged.base;
        let shared = Base { weights: base, config, dir };
        let biases = merge_biases(biases, shared)?;
        let head = shared.weight(Place::Head)?.clone();
        let sources = weight_sources(&terms, shared)?;
        merged.changed = sources.into_iter().chain(biases).collect();
        merged.settle_head(&terms, head);
        Ok(merged)
    }

    /// The merged model's configuration: the base's, untied if the head is a tensor of its own now.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// What a user should know.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The tensor of the base behind a changed tensor; `None` for one that is the base's own.
    pub fn base_of(&self, tensor: &TensorInfo) -> Option<&TensorInfo> {
        self.changed.get(&tensor.name).map(|source| match source {
            Source::Rows(base, _) | Source::Vector(base, _) => base,
        })
    }

    /// The base.
    pub fn base(&self) -> &dyn Weights {
        &*self.base
    }

    /// A tied base stays tied if both ends change alike; a physical copy of the tied head is dropped.
    fn settle_head(&mut self, terms: &Terms, source: TensorInfo) {
        if !self.config.tie_word_embeddings {
            return;
        }
        let name = format!("{}.weight", Place::Head.path());
        self.tensors.retain(|tensor| tensor.name != name);
        self.changed.remove(&name);
        let of = |place| terms.get(&place).map_or(&[][..], Vec::as_slice);
        let (embed, head) = (of(Place::Embed), of(Place::Head));
        let alike = |(a, b): (&Term, &Term)| a.0 == b.0 && a.1.same_as(&b.1);
        if embed.len() == head.len() && embed.iter().zip(head).all(alike) {
            return;
        }
        self.config.tie_word_embeddings = false;
        self.tensors.push(TensorInfo { name: name.clone(), ..source.clone() });
        self.changed.insert(name, Source::Rows(source, head.to_vec()));
    }
}

fn weight_sources(terms: &Terms, base: Base) -> Result<Vec<(String, Source)>> {
    let source = |(&place, terms): (&Place, &Vec<Term>)| {
        let tensor = base.weight(place)?.clone();
        let name = format!("{}.weight", place.path());
        Ok((name, Source::Rows(tensor, terms.clone())))
    };
    terms.iter().map(source).collect()
}

/// `b + Σ wᵢ (bᵢ - b)` for every bias that changes.
fn merge_biases(
    changes: BTreeMap<Place, Vec<(f32, BiasChange)>>,
    base: Base,
) -> Result<Vec<(String, Source)>> {
    let mut merged = Vec::new();
    for (place, changes) in changes {
        let Some(tensor) = base.bias(place)? else {
            let problem = format!(
                "{} has no bias in the base model, so the adapter's lora_B.bias cannot be merged; \
                 serve it as an adapter, or train one without lora_bias",
                place.path()
            );
            return Err(Error::refused(base.dir, problem));
        };
        let mut old = vec![0.0; tensor.elements()];
        base.weights.read_rows(tensor, 0..1, &mut old)?;
        let sole = changes.len() == 1;
        let mut new = old.clone();
        for (weight, BiasChange { replaced, added }) in changes {
            match replaced {
                Some(replaced) if sole && weight == 1.0 => new = replaced,
                Some(replaced) => {
                    let steps = replaced.iter().zip(&old).map(|(to, from)| weight * (to - from));
                    new.iter_mut().zip(steps).for_each(|(sum, step)| *sum += step);
                }
                None => {}
            }
            let added = added.unwrap_or_default();
            new.iter_mut().zip(added).for_each(|(sum, added)| *sum += weight * added);
        }
        merged.push((tensor.name.clone(), Source::Vector(tensor.clone(), new)));
    }
    Ok(merged)
}

impl Weights for Merged {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read_rows(&self, tensor: &TensorInfo, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        match self.changed.get(&tensor.name) {
            None => self.base.read_rows(tensor, rows, out),
            Some(Source::Vector(_, values)) => {
                let columns = values.len();
                out.copy_from_slice(&values[rows.start * columns..rows.end * columns]);
                Ok(())
            }
            Some(Source::Rows(base, terms)) => {
                self.base.read_rows(base, rows.clone(), out)?;
                merge_rows(terms, rows, out)
            }
        }
    }

    fn release(&self, tensor: &TensorInfo) {
        match self.changed.get(&tensor.name) {
            None => self.base.release(tensor),
            Some(Source::Rows(base, _) | Source::Vector(base, _)) => self.base.release(base),
        }
    }
}

/// Turns rows of the base into rows of the merged weight.
fn merge_rows(terms: &[Term], rows: Range<usize>, out: &mut [f32]) -> Result<()> {
    match terms {
        [] => Ok(()),
        [(1.0, change)] => {
            let base = out.to_vec();
            change.apply(rows, &base, out)
        }
        terms => {
            let mut sum = vec![0.0; out.len()];
            for (weight, change) in terms {
                change.add_difference(rows.clone(), out, *weight, &mut sum)?;
            }
            out.iter_mut().zip(sum).for_each(|(value, difference)| *value += difference);
            Ok(())
        }
    }
}
