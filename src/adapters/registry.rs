//! Which adapters are loaded, by name. Loading, replacing and unloading change only what later
//! look-ups see: a [`Generation`] in someone's hands stays as it is.
//!
//! Files are read and packed outside the lock that look-ups take, one adapter at a time. Which
//! folders a remote user may name is not decided here.

use super::limits::{Adapters, distinct_bytes};
use super::load::load_files;
use super::name::check_name;
use super::scan::{adapter_folders, refuse_links};
use super::{AdapterError, BaseInfo, Generation, GenerationId, Limits};
use super::{LoadedAdapter, Problem, Result, Scan, Source};
use formats::peft::AdapterFiles;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

/// What to do when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadPolicy {
    /// Refuse.
    Create,
    /// Put the new generation in the old one's place.
    Replace,
}

/// The loaded adapters. A clone is another handle on the same registry.
#[derive(Debug, Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    base: Arc<BaseInfo>,
    limits: Limits,
    /// Held while an adapter is read and packed, so that memory for one at a time is enough.
    loading: Mutex<()>,
    adapters: RwLock<Adapters>,
}

impl Registry {
    /// An empty registry of adapters for `base`.
    pub fn new(base: Arc<BaseInfo>, limits: Limits) -> Self {
        let (loading, adapters) = (Mutex::new(()), RwLock::default());
        Self { shared: Arc::new(Shared { base, limits, loading, adapters }) }
    }

    /// The base that the adapters are for.
    pub fn base(&self) -> &BaseInfo {
        &self.shared.base
    }

    /// The limits it was made with.
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Loads the adapter in folder `path` under `name`. Look-ups see it when this returns.
    ///
    /// With [`LoadPolicy::Replace`] and the same content as now, the generation that is loaded stays.
    /// Content that is loaded under another name is shared with it.
    ///
    /// # Errors
    /// Whatever is wrong with the folder; [`Problem::NoEffect`] for an adapter that changes nothing;
    /// a name that is taken or unfit; a limit. Nothing changes then.
    pub fn load(&self, name: &str, path: &Path, policy: LoadPolicy) -> Result<Arc<Generation>> {
        let limits = self.limits();
        check_name(name)?;
        if name == self.base().name {
            let reason = "it is the name of the base model";
            return Err(AdapterError::BadName { name: name.into(), reason });
        }
        limits.check_room(&self.read(), name, policy)?;
        let _one_at_a_time = self.shared.loading.lock().unwrap_or_else(PoisonError::into_inner);
        limits.check_room(&self.read(), name, policy)?;
        limits.check_file(name, AdapterFiles::weights_size(path))?;
        let source = Source::of(path);
        let files = AdapterFiles::read(path)?;
        let id = GenerationId::of_files(&files);
        if let Some(same) = self.get(name).filter(|current| current.id == id) {
            return Ok(same);
        }
        let loaded = match self.loaded_with(id) {
            Some(other) => LoadedAdapter::shared(&other),
            None => load_files(&files, self.base())?,
        };
        if loaded.report.has_no_effect() {
            let zero = loaded.report.what_is_zero();
            return Err(Problem::NoEffect { zero }.of(path).into());
        }
        self.insert(name, (path, source), policy, loaded)
    }

    /// Takes `name` away. Who holds its generation may go on using it.
    ///
    /// # Errors
    /// [`AdapterError::NotLoaded`].
    pub fn unload(&self, name: &str) -> Result<()> {
        let removed = self.write().remove(name);
        match removed {
            Some(_) => Ok(()),
            None => {
                let loaded = self.read().keys().cloned().collect();
                Err(AdapterError::NotLoaded { name: name.into(), loaded })
            }
        }
    }

    /// The generation that has `name` now.
    pub fn get(&self, name: &str) -> Option<Arc<Generation>> {
        self.read().get(name).cloned()
    }

    /// Every loaded generation, by name.
    pub fn list(&self) -> Vec<Arc<Generation>> {
        self.read().values().cloned().collect()
    }

    /// Bytes of packed weights of all loaded adapters; content with several names counts once.
    pub fn bytes(&self) -> usize {
        distinct_bytes(self.read().values())
    }

    /// Loads every folder directly below `dir` that holds an `adapter_config.json`, in order of name
    /// and under the folder's name. Hidden folders are passed over; symbolic links are not followed.
    /// One bad folder does not keep the others out.
    ///
    /// # Errors
    /// Only if `dir` itself cannot be listed.
    pub fn scan_dir(&self, dir: &Path) -> Result<Scan> {
        let mut scan = Scan::default();
        for (name, path) in adapter_folders(dir)? {
            match refuse_links(&path).and_then(|()| self.load(&name, &path, LoadPolicy::Replace)) {
                Ok(generation) => scan.loaded.push(generation),
                Err(error) => scan.failed.push((path, error)),
            }
        }
        Ok(scan)
    }

    fn insert(
        &self,
        name: &str,
        (path, source): (&Path, Option<Source>),
        policy: LoadPolicy,
        loaded: LoadedAdapter,
    ) -> Result<Arc<Generation>> {
        let LoadedAdapter { id, weights, report } = loaded;
        let (path, loaded_at) = (path.to_owned(), SystemTime::now());
        let generation =
            Generation { id, name: name.into(), path, source, weights, report, loaded_at };
        let generation = Arc::new(generation);
        let mut adapters = self.write();
        self.limits().check_room(&adapters, name, policy)?;
        self.limits().check_bytes(&adapters, &generation)?;
        let replaced = adapters.insert(name.into(), generation.clone());
        // The lock first: freeing a large adapter takes time.
        drop(adapters);
        drop(replaced);
        Ok(generation)
    }

    fn loaded_with(&self, id: GenerationId) -> Option<Arc<Generation>> {
        self.read().values().find(|generation| generation.id == id).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Adapters> {
        self.shared.adapters.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Adapters> {
        self.shared.adapters.write().unwrap_or_else(PoisonError::into_inner)
    }
}
