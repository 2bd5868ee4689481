//! What may be loaded: how many adapters and how many bytes. Pure checks on the table of names;
//! `registry` holds the table, `name` says what a name may be.

use super::{AdapterError, Generation, LoadPolicy, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who has which name.
pub(super) type Adapters = BTreeMap<String, Arc<Generation>>;

/// How much may be loaded at once. Generations that were replaced or unloaded but still run count no
/// longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most adapters.
    pub max_adapters: usize,
    /// Most bytes of packed weights of all adapters together; content that is loaded under several
    /// names counts once. A file of more than twice as many is not even read.
    pub max_bytes: usize,
}

impl Limits {
    /// Refuses a name that is taken or one adapter too many.
    pub(super) fn check_room(
        &self,
        adapters: &Adapters,
        name: &str,
        policy: LoadPolicy,
    ) -> Result<()> {
        match adapters.get(name) {
            Some(current) if policy == LoadPolicy::Create => {
                Err(AdapterError::NameTaken { name: name.into(), generation: current.id })
            }
            None if adapters.len() >= self.max_adapters => {
                Err(AdapterError::TooMany { name: name.into(), limit: self.max_adapters })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a file that cannot fit whatever it packs to: f32 that bf16 holds packs to half.
    pub(super) fn check_file(&self, name: &str, file_bytes: u64) -> Result<()> {
        let needed = usize::try_from(file_bytes / 2).unwrap_or(usize::MAX);
        if needed <= self.max_bytes {
            return Ok(());
        }
        Err(AdapterError::TooLarge { name: name.into(), needed, used: 0, limit: self.max_bytes })
    }

    /// Refuses a generation that does not fit beside the others.
    pub(super) fn check_bytes(&self, adapters: &Adapters, new: &Generation) -> Result<()> {
        let others = adapters.values().filter(|g| g.name != new.name && g.id != new.id);
        let (used, needed) = (distinct_bytes(others), new.weights.bytes());
        if used.saturating_add(needed) <= self.max_bytes {
            return Ok(());
        }
        Err(AdapterError::TooLarge { name: new.name.clone(), needed, used, limit: self.max_bytes })
    }
}

/// Bytes of packed weights, content that has several names counted once.
pub(super) fn distinct_bytes<'a>(generations: impl Iterator<Item = &'a Arc<Generation>>) -> usize {
    let mut seen = BTreeSet::new();
    let distinct = generations.filter(|generation| seen.insert(generation.id));
    distinct.map(|generation| generation.weights.bytes()).sum()
}
