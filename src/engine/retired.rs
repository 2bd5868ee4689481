//! Which adapter generations can still be asked for, so that the cached blocks of those that
//! cannot are dropped without waiting for their memory to be wanted.

use crate::adapters::{Generation, GenerationId};
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// Generations that computed something here. Holds none of them alive.
#[derive(Debug, Default)]
pub(super) struct KnownGenerations {
    /// One content may have been loaded several times, under one name or several.
    by_id: HashMap<GenerationId, Vec<Weak<Generation>>>,
}

impl KnownGenerations {
    /// Remembers a generation that a request wears.
    pub(super) fn note(&mut self, generation: &Arc<Generation>) {
        let known = self.by_id.entry(generation.id).or_default();
        if !known.iter().any(|weak| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(generation))) {
            known.push(Arc::downgrade(generation));
        }
    }

    /// Forgets and returns the generations that neither a registry nor a request holds any more.
    pub(super) fn take_retired(&mut self) -> Vec<GenerationId> {
        let mut retired = Vec::new();
        self.by_id.retain(|id, known| {
            known.retain(|weak| weak.strong_count() > 0);
            if known.is_empty() {
                retired.push(*id);
            }
            !known.is_empty()
        });
        retired
    }
}
