//! Which adapters are loaded, by name. Loading, replacing and unloading change only what later
//! look-ups see: a [`Generation`] in someone's hands stays as it is.
//!
//! Files are read and packed outside the lock that look-ups take, one adapter at a time. Which
//! folders a remote user may name is not decided here.

use super::{
    AdapterError, AdapterFiles, BaseInfo, Generation, GenerationId, LoadedAdapter, Problem, Result,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// Longest name of an adapter, in bytes.
const MAX_NAME: usize = 256;

/// How much may be loaded at once. Generations that were replaced or unloaded but still run count no
/// longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most adapters.
    pub max_adapters: usize,
    /// Most bytes of packed weights of all adapters together.
    pub max_bytes: usize,
}

/// What to do when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadPolicy {
    /// Refuse.
    Create,
    /// Put the new generation in the old one's place.
    Replace,
}

/// What [`Registry::scan_dir`] found.
#[derive(Debug, Default)]
pub struct Scan {
    /// What was loaded, by folder name.
    pub loaded: Vec<Arc<Generation>>,
    /// Which folders were not, and why.
    pub failed: Vec<(PathBuf, AdapterError)>,
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

type Adapters = BTreeMap<String, Arc<Generation>>;

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
        self.check_name(name)?;
        self.check_room(name, policy)?;
        let _one_at_a_time = self.shared.loading.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_room(name, policy)?;
        let files = AdapterFiles::read(path)?;
        if let Some(same) = self.get(name).filter(|current| current.id == files.id()) {
            return Ok(same);
        }
        let loaded = match self.loaded_with(files.id()) {
            Some(other) => LoadedAdapter::shared(&other),
            None => files.load(self.base())?,
        };
        if loaded.report.has_no_effect() {
            return Err(Problem::NoEffect.of(path));
        }
        self.insert(name, path, policy, loaded)
    }

    /// Takes `name` away. Who holds its generation may go on using it.
    ///
    /// # Errors
    /// [`AdapterError::NotLoaded`].
    pub fn unload(&self, name: &str) -> Result<()> {
        let mut adapters = self.write();
        if adapters.remove(name).is_some() {
            return Ok(());
        }
        let loaded = adapters.keys().cloned().collect();
        Err(AdapterError::NotLoaded { name: name.into(), loaded })
    }

    /// The generation that has `name` now.
    pub fn get(&self, name: &str) -> Option<Arc<Generation>> {
        self.read().get(name).cloned()
    }

    /// Every loaded generation, by name.
    pub fn list(&self) -> Vec<Arc<Generation>> {
        self.read().values().cloned().collect()
    }

    /// Bytes of packed weights of all loaded adapters, shared ones counted once.
    pub fn bytes(&self) -> usize {
        held_bytes(&self.read(), None)
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
            match self.load(&name, &path, LoadPolicy::Replace) {
                Ok(generation) => scan.loaded.push(generation),
                Err(error) => scan.failed.push((path, error)),
            }
        }
        Ok(scan)
    }

    fn insert(
        &self,
        name: &str,
        path: &Path,
        policy: LoadPolicy,
        loaded: LoadedAdapter,
    ) -> Result<Arc<Generation>> {
        let LoadedAdapter { id, weights, report } = loaded;
        let (path, loaded_at) = (path.to_owned(), SystemTime::now());
        let generation = Generation { id, name: name.into(), path, weights, report, loaded_at };
        let generation = Arc::new(generation);
        let mut adapters = self.write();
        check_room(&adapters, name, policy, self.limits())?;
        check_bytes(&adapters, &generation, self.limits())?;
        // Dropped after the lock: freeing a large adapter takes time.
        let replaced = adapters.insert(name.into(), generation.clone());
        drop(adapters);
        drop(replaced);
        Ok(generation)
    }

    fn loaded_with(&self, id: GenerationId) -> Option<Arc<Generation>> {
        self.read().values().find(|generation| generation.id == id).cloned()
    }

    fn check_room(&self, name: &str, policy: LoadPolicy) -> Result<()> {
        check_room(&self.read(), name, policy, self.limits())
    }

    fn check_name(&self, name: &str) -> Result<()> {
        let reason = if name.is_empty() {
            "it is empty"
        } else if name.len() > MAX_NAME {
            "it is longer than 256 bytes"
        } else if name.chars().any(char::is_control) || name.trim() != name {
            "it has control characters, or blanks at an end"
        } else if name == self.base().name {
            "it is the name of the base model"
        } else {
            return Ok(());
        };
        Err(AdapterError::BadName { name: name.into(), reason })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Adapters> {
        self.shared.adapters.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Adapters> {
        self.shared.adapters.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_room(adapters: &Adapters, name: &str, policy: LoadPolicy, limits: Limits) -> Result<()> {
    match adapters.get(name) {
        Some(current) if policy == LoadPolicy::Create => {
            Err(AdapterError::NameTaken { name: name.into(), generation: current.id })
        }
        None if adapters.len() >= limits.max_adapters => {
            Err(AdapterError::TooMany { name: name.into(), limit: limits.max_adapters })
        }
        _ => Ok(()),
    }
}

fn check_bytes(adapters: &Adapters, new: &Generation, limits: Limits) -> Result<()> {
    let used = held_bytes(adapters, Some(new));
    let needed = new.weights.bytes();
    if used + needed <= limits.max_bytes {
        return Ok(());
    }
    Err(AdapterError::TooLarge { name: new.name.clone(), needed, used, limit: limits.max_bytes })
}

/// Bytes of distinct contents, without what has the name or the content of `except`.
fn held_bytes(adapters: &Adapters, except: Option<&Generation>) -> usize {
    let counts = |g: &&Arc<Generation>| except.is_none_or(|e| g.name != e.name && g.id != e.id);
    let mut seen = BTreeSet::new();
    let distinct = adapters.values().filter(counts).filter(|g| seen.insert(g.id));
    distinct.map(|generation| generation.weights.bytes()).sum()
}

fn adapter_folders(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in fs_err::read_dir(dir).map_err(formats::Error::from)? {
        let entry = entry.map_err(formats::Error::from)?;
        let is_folder = entry.file_type().map_err(formats::Error::from)?.is_dir();
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_folder && !name.starts_with('.') && entry.path().join("adapter_config.json").exists()
        {
            folders.push((name, entry.path()));
        }
    }
    folders.sort();
    Ok(folders)
}
