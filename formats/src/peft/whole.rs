//! Embeddings and heads that an adapter replaces whole, and what tying makes of them.
//!
//! PEFT gives a module in `modules_to_save` a copy of its own, but loads a weight that was saved
//! beside an adapter into the base itself, where a tied embedding and head are one parameter.

use super::{AdapterFiles, Part, Place, Plan, Problem};
use crate::{ModelConfig, Result, TensorView};

/// The weights to use in place of the base's; `None` where the base's stays.
#[derive(Default)]
pub struct WholeWeights<'a> {
    /// Of the embedding, `[vocab, hidden]`.
    pub embed: Option<TensorView<'a>>,
    /// Of the head, `[vocab, hidden]`.
    pub head: Option<TensorView<'a>>,
}

impl<'a> WholeWeights<'a> {
    /// What the adapter replaces in a base of this configuration.
    ///
    /// # Errors
    /// Two different weights for one tied parameter.
    pub fn of(plan: &Plan<'a>, files: &AdapterFiles, base: &ModelConfig) -> Result<Self> {
        let find = |place| plan.changes.iter().find(|change| change.place == place);
        let weight =
            |place| find(place).and_then(|change| change.parts.get(&Part::Weight)).copied();
        let mut whole = Self { embed: weight(Place::Embed), head: weight(Place::Head) };
        if base.tie_word_embeddings {
            whole.tie(files)?;
        }
        Ok(whole)
    }

    /// The replacement at a place.
    pub fn at(&self, place: Place) -> Option<TensorView<'a>> {
        match place {
            Place::Embed => self.embed,
            Place::Head => self.head,
            Place::Linear(..) => None,
        }
    }

    fn tie(&mut self, files: &AdapterFiles) -> Result<()> {
        let config = files.config();
        let own = |place: Place| config.saves(&place.path()) && !config.ensure_weight_tying;
        let (own_embed, own_head) = (own(Place::Embed), own(Place::Head));
        match (self.embed, self.head) {
            (Some(embed), None) if !own_embed => self.head = Some(embed),
            (None, Some(head)) if !own_head => self.embed = Some(head),
            (Some(embed), Some(head))
                if !own_embed && !own_head && !embed.same_values(&head)? =>
            {
                return Err(Problem::TiedCopies.of(files.dir()));
            }
            _ => {}
        }
        Ok(())
    }
}
