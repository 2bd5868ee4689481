//! Embeddings and heads that an adapter replaces whole, and what tying makes of them.
//!
//! PEFT gives a module in `modules_to_save` a copy of its own, but loads a weight that was saved
//! beside an adapter into the base itself, where a tied embedding and head are one parameter.

use super::base::{BaseInfo, Place};
use super::part::Part;
use super::plan::Plan;
use super::{AdapterFiles, Problem, Result};
use formats::TensorView;

/// The weights to use in place of the base's; `None` where the base's stays.
#[derive(Default)]
pub(super) struct WholeWeights<'a> {
    pub(super) embed: Option<TensorView<'a>>,
    pub(super) head: Option<TensorView<'a>>,
}

impl<'a> WholeWeights<'a> {
    /// What the adapter replaces. Copies that equal the base's values are dropped.
    ///
    /// # Errors
    /// Two different weights for one tied parameter.
    pub(super) fn of(plan: &Plan<'a>, files: &AdapterFiles, base: &BaseInfo) -> Result<Self> {
        let find = |place| plan.changes.iter().find(|change| change.place == place);
        let weight =
            |place| find(place).and_then(|change| change.parts.get(&Part::Weight)).copied();
        let mut whole = Self { embed: weight(Place::Embed), head: weight(Place::Head) };
        if base.config.tie_word_embeddings {
            whole.tie(files)?;
        }
        whole.embed = changed(whole.embed, Place::Embed, base)?;
        whole.head = changed(whole.head, Place::Head, base)?;
        Ok(whole)
    }

    /// The replacement at a place.
    pub(super) fn at(&self, place: Place) -> Option<TensorView<'a>> {
        match place {
            Place::Embed => self.embed,
            Place::Head => self.head,
            Place::Linear(..) => None,
        }
    }

    fn tie(&mut self, files: &AdapterFiles) -> Result<()> {
        let config = &files.config;
        let own = |place: Place| config.saves(&place.path()) && !config.ensure_weight_tying;
        let (own_embed, own_head) = (own(Place::Embed), own(Place::Head));
        match (self.embed, self.head) {
            (Some(embed), None) if !own_embed => self.head = Some(embed),
            (None, Some(head)) if !own_head => self.embed = Some(head),
            (Some(embed), Some(head)) if !own_embed && !own_head && !same(&embed, &head)? => {
                return Err(Problem::TiedCopies.of(&files.dir));
            }
            _ => {}
        }
        Ok(())
    }
}

fn changed<'a>(
    weight: Option<TensorView<'a>>,
    place: Place,
    base: &BaseInfo,
) -> Result<Option<TensorView<'a>>> {
    match weight {
        Some(weight) if !same(&weight, &base.weight(place)?.view())? => Ok(Some(weight)),
        _ => Ok(None),
    }
}

fn same(a: &TensorView, b: &TensorView) -> Result<bool> {
    if a.dtype == b.dtype {
        return Ok(a.bytes == b.bytes);
    }
    Ok(a.to_f32()? == b.to_f32()?)
}
