//! How several adapters become one change of the base: the exact sum, or PEFT's
//! `add_weighted_adapter` by its names (`peft/tuners/lora/model.py`, `peft/utils/merge_utils.py`).

use super::adapter::{Changes, Factors, factors};
use super::arithmetic::{Arithmetic, MajoritySign, Prune, Task};
use super::base::Base;
use super::change::Change;
use super::low_rank::LowRank;
use super::truncate;
use crate::{Error, Result};
use formats::peft::{AdapterFiles, Part, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What to make of several adapters. A single adapter is merged as it is, times its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Combination {
    /// Everything that each changes, times its weight, added up: exact, for adapters of any kind.
    Sum,
    /// PEFT's `cat`: the same for A and B alone.
    Cat,
    /// PEFT's `linear`, `ties`, `dare_linear`, `dare_ties` and `magnitude_prune`: all A are combined,
    /// and apart from them all B. A rough approximation of the sum, for adapters of one rank.
    Factors(Arithmetic),
    /// The same on the products `B·A` (`svd`, `ties_svd` ...), cut back to a rank by a singular value
    /// decomposition; without a rank, to the largest of the adapters'.
    Products(Arithmetic, Option<usize>),
}

/// An adapter's A and B by place.
struct Member {
    factors: BTreeMap<Place, Factors>,
    weight: f64,
    max_rank: usize,
}

impl Combination {
    /// The names that [`named`](Self::named) knows.
    pub const NAMES: [&str; 12] = [
        "sum",
        "cat",
        "linear",
        "svd",
        "ties",
        "ties_svd",
        "dare_linear",
        "dare_linear_svd",
        "dare_ties",
        "dare_ties_svd",
        "magnitude_prune",
        "magnitude_prune_svd",
    ];

    /// The combination that PEFT calls `name`, or `sum`.
    ///
    /// # Errors
    /// A sentence: an unknown name, or a density that is missing, out of [0, 1] or without a meaning.
    pub fn named(
        name: &str,
        density: Option<f64>,
        sign: MajoritySign,
        seed: u64,
        rank: Option<usize>,
    ) -> Result<Self, String> {
        let (kind, svd) = match name.strip_suffix("svd") {
            Some(kind) => (kind.trim_end_matches('_'), true),
            None => (name, false),
        };
        let prunes = !matches!(kind, "sum" | "cat" | "linear" | "");
        let density = match density {
            Some(density) if !(0.0..=1.0).contains(&density) => {
                return Err(format!("the density is {density}, but it is a share from 0 to 1"));
            }
            Some(_) if !prunes => return Err(format!("`{name}` prunes nothing; drop the density")),
            None if prunes => {
                return Err(format!("`{name}` needs a density: the share of values to keep"));
            }
            density => density.unwrap_or(1.0),
        };
        let arithmetic = match kind {
            "sum" if !svd => return Ok(Self::Sum),
            "cat" if !svd => return Ok(Self::Cat),
            "linear" if !svd => Arithmetic::SUM,
            "" if svd => Arithmetic::SUM,
            "ties" => Arithmetic { prune: Prune::Magnitude { density }, sign: Some(sign) },
            "dare_linear" => Arithmetic { prune: Prune::Random { density, seed }, sign: None },
            "dare_ties" => Arithmetic { prune: Prune::Random { density, seed }, sign: Some(sign) },
            "magnitude_prune" => Arithmetic { prune: Prune::Magnitude { density }, sign: None },
            _ => {
                let names = Self::NAMES.join(", ");
                return Err(format!("there is no combination `{name}`; there are {names}"));
            }
        };
        Ok(if svd { Self::Products(arithmetic, rank) } else { Self::Factors(arithmetic) })
    }

    /// What is to be added to the base, with weights.
    ///
    /// # Errors
    /// Those of reading the adapters; parts that the combination has no meaning for.
    pub(super) fn changes(
        &self,
        adapters: Vec<(AdapterFiles, f64)>,
        base: Base,
    ) -> Result<Vec<(Changes, f64)>> {
        if *self == Self::Sum || adapters.len() == 1 {
            let read = |(files, weight)| Ok((Changes::read(&Arc::new(files), base)?, weight));
            return adapters.into_iter().map(read).collect();
        }
        let (mut members, mut warnings) = (Vec::new(), Vec::new());
        for (files, weight) in &adapters {
            let (factors, warned) = all_factors(files, base)?;
            let max_rank = max_rank(files);
            members.push(Member { factors, weight: *weight, max_rank });
            warnings.extend(warned);
        }
        let places: BTreeSet<Place> =
            members.iter().flat_map(|member| member.factors.keys().copied()).collect();
        let mut weights = BTreeMap::new();
        for place in places {
            let low_rank = Some(self.combine(&members, place, base)?);
            weights.insert(place, Change { low_rank, ..Change::default() });
        }
        Ok(vec![(Changes { weights, biases: BTreeMap::new(), warnings }, 1.0)])
    }

    fn combine(&self, members: &[Member], place: Place, base: Base) -> Result<LowRank> {
        let here: Vec<(usize, &Member, &Factors)> = members
            .iter()
            .enumerate()
            .filter_map(|(index, member)| Some((index, member, member.factors.get(&place)?)))
            .collect();
        match self {
            Self::Sum | Self::Cat => Ok(concatenated(&here).low_rank()),
            Self::Factors(arithmetic) => Ok(apart(arithmetic, &here, place, base)?.low_rank()),
            Self::Products(arithmetic, rank) => {
                let largest = members.iter().map(|member| member.max_rank).max();
                let rank = rank.or(largest).unwrap_or(1);
                let factors = if *arithmetic == Arithmetic::SUM {
                    truncate::product(&concatenated(&here), rank)
                } else {
                    let (rows, columns) = place.shape(base.config);
                    let mixed = products(arithmetic, &here, place);
                    truncate::dense(&mixed, (rows, columns), rank)
                };
                Ok(factors.low_rank())
            }
        }
    }
}

/// A and B of every module that has them.
///
/// # Errors
/// Those of reading; parts of an adapter that a combination of A and B alone would lose.
fn all_factors(
    files: &AdapterFiles,
    base: Base,
) -> Result<(BTreeMap<Place, Factors>, Vec<String>)> {
    let plan = files.plan(base.config)?;
    let mut found = BTreeMap::new();
    for module in &plan.changes {
        for (part, view) in &module.parts {
            let kept = match part {
                Part::A | Part::B => true,
                // PEFT saves a copy of the base's embedding beside an adapter on it.
                Part::Weight => base.holds(module.place, view)?,
                _ => false,
            };
            if !kept {
                let problem = format!(
                    "tensor `{}` is more than lora_A and lora_B, which alone can be combined this \
                     way; use the sum, which adds up everything that adapters change",
                    view.name
                );
                return Err(Error::refused(files.dir(), problem));
            }
        }
        if let Some(factors) = factors(module, files)? {
            found.insert(module.place, factors);
        }
    }
    Ok((found, plan.warnings))
}

/// As PEFT reckons it: the config's, or the largest of its patterns.
fn max_rank(files: &AdapterFiles) -> usize {
    let config = files.config();
    let patterns = config.rank_pattern.iter().map(|(_, rank)| *rank);
    patterns.fold(config.rank, usize::max)
}

/// Side by side: the products' weighted sum as one product.
fn concatenated(here: &[(usize, &Member, &Factors)]) -> Factors {
    let rank = here.iter().map(|(_, _, factors)| factors.rank).sum();
    let side = |part: fn(&Factors) -> &[f32], factor: &dyn Fn(&Member, &Factors) -> f32| {
        let rows = here.first().map_or(0, |(_, _, first)| part(first).len() / first.rank);
        let mut side = Vec::with_capacity(rows * rank);
        for row in 0..rows {
            for (_, member, factors) in here {
                let values = &part(factors)[row * factors.rank..(row + 1) * factors.rank];
                let factor = factor(member, factors);
                side.extend(values.iter().map(|value| value * factor));
            }
        }
        side
    };
    let scaled = |member: &Member, factors: &Factors| (member.weight * factors.scale) as f32;
    let (x, y) = (side(|f| &f.x, &scaled), side(|f| &f.y, &|_, _| 1.0));
    Factors { x, y, rank, scale: 1.0 }
}

/// All A combined, and all B; each takes the root of its adapter's weight and scale, A the sign.
fn apart(
    arithmetic: &Arithmetic,
    here: &[(usize, &Member, &Factors)],
    place: Place,
    base: Base,
) -> Result<Factors> {
    let rank = here.first().map_or(1, |(_, _, factors)| factors.rank);
    if let Some((_, _, other)) = here.iter().find(|(_, _, factors)| factors.rank != rank) {
        let problem = format!(
            "the adapters have ranks {rank} and {} at {}, but this combination needs equal ones; \
             use sum, cat, or one that ends in svd",
            other.rank,
            place.path()
        );
        return Err(Error::refused(base.dir, problem));
    }
    let root = |member: &Member, factors: &Factors| (member.weight * factors.scale).abs().sqrt();
    let sign = |member: &Member, factors: &Factors| {
        if member.weight * factors.scale >= 0.0 { 1.0 } else { -1.0 }
    };
    // PEFT's A of a linear is our y, but of the embedding our x; each with the rank as its rows.
    let embed = place == Place::Embed;
    let combine = |is_a: bool, is_x: bool| {
        let tasks: Vec<Task> = here
            .iter()
            .map(|(index, member, factors)| {
                let sign = if is_a { sign(member, factors) } else { 1.0 };
                let part = if is_a { "lora_A" } else { "lora_B" };
                Task {
                    values: if is_x { &factors.x } else { &factors.y },
                    weight: (root(member, factors) * sign) as f32,
                    stream: format!("{index} {part} {}", place.path()),
                    // A is drawn and cut as `[rank, width]`, of which we hold the transpose.
                    transposed: is_a.then_some(factors.rank),
                }
            })
            .collect();
        arithmetic.combine(&tasks)
    };
    let (x, y) = (combine(embed, true), combine(!embed, false));
    Ok(Factors { x, y, rank, scale: 1.0 })
}

/// The products `B·A` combined, `[rows, columns]` of the weight.
fn products(
    arithmetic: &Arithmetic,
    here: &[(usize, &Member, &Factors)],
    place: Place,
) -> Vec<f32> {
    let dense: Vec<Vec<f32>> = here
        .iter()
        .map(|(_, _, factors)| {
            let low_rank = (*factors).clone().low_rank();
            let mut product = vec![0.0; low_rank.rows() * low_rank.columns()];
            low_rank.add_rows(0..low_rank.rows(), 1.0, &mut product);
            product
        })
        .collect();
    let tasks: Vec<Task> = here
        .iter()
        .zip(&dense)
        .map(|((index, member, _), values)| Task {
            values,
            weight: member.weight as f32,
            stream: format!("{index} delta {}", place.path()),
            transposed: None,
        })
        .collect();
    arithmetic.combine(&tasks)
}
