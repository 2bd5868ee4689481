//! Who answers to a name: the base, an adapter that is loaded, or one found on disk just now.
//!
//! A request for an unknown name loads the sub-folder of the adapter folder that bears it, so an
//! adapter is served as soon as training has written it. A loaded adapter whose files changed is
//! loaded again. What an administrator unloaded stays away until it is loaded by name or its files
//! change. Loads are taken one at a time, off the HTTP threads; requests that are running keep the
//! generation they began with.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::adapter_path::AdapterFolder;
use super::error::ApiError;
use super::fields::brief;
use crate::adapters::{Generation, LoadPolicy, Registry, Source, check_name};

/// Who a request is answered by.
#[derive(Debug, Clone)]
pub(crate) enum Wearer {
    /// The base model, by its name.
    Base(String),
    /// One generation of an adapter.
    Adapter(Arc<Generation>),
}

impl Wearer {
    /// The name that was asked for.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Base(name) => name,
            Self::Adapter(generation) => &generation.name,
        }
    }

    /// The generation, for an adapter.
    pub(crate) fn generation(&self) -> Option<&Arc<Generation>> {
        match self {
            Self::Base(_) => None,
            Self::Adapter(generation) => Some(generation),
        }
    }

    /// What a response says about who made it: null for the base.
    pub(crate) fn generation_id(&self) -> Option<String> {
        self.generation().map(|generation| generation.id.to_string())
    }
}

/// How long a loaded adapter stays as it is after its changed files could not be loaded for a reason
/// that may pass, such as a limit.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known of a name beyond the registry.
#[derive(Debug, Clone)]
enum Seen {
    /// Loaded from these files.
    Loaded(Source),
    /// These files are at fault and cannot be loaded, and why.
    Failed(Source, String),
    /// These files could not be loaded then, but may be another time.
    Postponed(Source, Instant),
    /// Unloaded on purpose while the adapter folder held these files under the name.
    Unloaded(Option<Source>),
}

/// Resolves names.
pub(crate) struct Resolver {
    registry: Registry,
    base_name: String,
    folder: AdapterFolder,
    seen: Mutex<HashMap<String, Seen>>,
    /// Held while an adapter is loaded or unloaded: one at a time, in the order they were asked for.
    loading: tokio::sync::Mutex<()>,
}

impl Resolver {
    /// A resolver over what is already loaded.
    pub(crate) fn new(registry: Registry, base_name: String, folder: AdapterFolder) -> Self {
        let stamp = |generation: &Arc<Generation>| {
            Some((generation.name.clone(), Seen::Loaded(generation.source.clone()?)))
        };
        let seen = Mutex::new(registry.list().iter().filter_map(stamp).collect());
        Self { registry, base_name, folder, seen, loading: tokio::sync::Mutex::default() }
    }

    /// The base's name.
    pub(crate) fn base_name(&self) -> &str {
        &self.base_name
    }

    /// What is loaded, by name.
    pub(crate) fn loaded(&self) -> Vec<Arc<Generation>> {
        self.registry.list()
    }

    /// The folder that a client's path means (see [`AdapterFolder::admit`]).
    pub(crate) fn admit(&self, asked: &str) -> Result<PathBuf, ApiError> {
        self.folder.admit(asked)
    }

    /// Who answers to `name`.
    ///
    /// # Errors
    /// 404 for a name that nothing bears; 400 for a folder that is there and cannot be loaded.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Wearer, ApiError> {
        if self.base_name == name {
            return Ok(Wearer::Base(name.to_owned()));
        }
        if let Some(generation) = self.current(name) {
            return Ok(Wearer::Adapter(generation));
        }
        let _turn = self.loading.lock().await;
        if let Some(generation) = self.current(name) {
            return Ok(Wearer::Adapter(generation));
        }
        let generation = match self.registry.get(name) {
            Some(generation) => self.refresh(generation).await,
            None => self.discover(name).await?,
        };
        Ok(Wearer::Adapter(generation))
    }

    /// The generation under this name, if its files are as they were when it was read.
    fn current(&self, name: &str) -> Option<Arc<Generation>> {
        let generation = self.registry.get(name)?;
        let unchanged = match self.seen().get(name) {
            Some(Seen::Loaded(source) | Seen::Failed(source, _)) => source.is_current(),
            Some(Seen::Postponed(_, since)) => since.elapsed() < PAUSE,
            Some(Seen::Unloaded(_)) | None => false,
        };
        unchanged.then_some(generation)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, name: &str, seen: Seen) {
        self.seen().insert(name.to_owned(), seen);
    }

    /// Loads every new folder below the adapter folder, so that a listing shows what can be asked for.
    /// A folder that cannot be loaded is left out; asking for it by name says why.
    pub(crate) async fn discover_all(&self) {
        for name in self.folder.names() {
            if let Err(error) = self.resolve(&name).await {
                tracing::debug!(%name, %error, "an adapter folder is not listed");
            }
        }
    }

    /// Loads `path` under `name` on an administrator's word.
    ///
    /// # Errors
    /// 400 for a name that is taken or no name, or an adapter that cannot be loaded.
    pub(crate) async fn load(
        &self,
        name: &str,
        path: PathBuf,
        policy: LoadPolicy,
    ) -> Result<Arc<Generation>, ApiError> {
        check_name(name).map_err(|error| ApiError::field("lora_name", error.to_string()))?;
        if self.base_name == name {
            let message = format!("`{name}` is the base model's name; choose another lora_name");
            return Err(ApiError::field("lora_name", message));
        }
        let _turn = self.loading.lock().await;
        if policy == LoadPolicy::Create && self.registry.get(name).is_some() {
            let message = format!(
                "the adapter `{name}` is already loaded; pass load_inplace true to replace it"
            );
            return Err(ApiError::field("lora_name", message));
        }
        let source = Source::of(&path);
        let loaded = self.read(name, path, LoadPolicy::Replace).await;
        let generation = loaded.map_err(|error| error.about("lora_path"))?;
        if let Some(source) = source {
            self.remember(name, Seen::Loaded(source));
        }
        Ok(generation)
    }

    /// Forgets `name`; requests that wear it run on.
    ///
    /// # Errors
    /// 404 for a name that is not loaded.
    pub(crate) async fn unload(&self, name: &str) -> Result<(), ApiError> {
        let _turn = self.loading.lock().await;
        let source = self.folder.find(name).and_then(|path| Source::of(&path));
        self.registry.unload(name).map_err(|_| {
            let name = brief(name);
            ApiError::NotFound(format!("the adapter `{name}` is not loaded; nothing was unloaded"))
        })?;
        self.remember(name, Seen::Unloaded(source));
        Ok(())
    }

    /// The generation to use now: a new one if the changed files can be loaded, else the old one.
    async fn refresh(&self, generation: Arc<Generation>) -> Arc<Generation> {
        let name = generation.name.clone();
        let path = match self.seen().get(&name) {
            Some(Seen::Loaded(source) | Seen::Failed(source, _) | Seen::Postponed(source, _)) => {
                source.folder.clone()
            }
            Some(Seen::Unloaded(_)) | None => generation.path.clone(),
        };
        let Some(source) = Source::of(&path) else { return generation };
        if self.folder.is_now_linked(&path) {
            let reason = "symbolic links below the adapter folder are not followed".to_owned();
            tracing::warn!(%name, %reason, "an adapter changed on disk: kept as it was");
            self.remember(&name, Seen::Failed(source, reason));
            return generation;
        }
        match self.read(&name, path, LoadPolicy::Replace).await {
            Ok(fresh) => {
                tracing::info!(%name, generation = %fresh.id, "an adapter changed on disk: loaded");
                self.remember(&name, Seen::Loaded(source));
                fresh
            }
            Err(error) => {
                tracing::warn!(%name, %error, "an adapter changed on disk: kept as it was");
                let seen = match error {
                    Unreadable::Files(reason) => Seen::Failed(source, reason),
                    _ => Seen::Postponed(source, Instant::now()),
                };
                self.remember(&name, seen);
                generation
            }
        }
    }

    /// Loads the folder that bears an unknown name.
    async fn discover(&self, name: &str) -> Result<Arc<Generation>, ApiError> {
        let unknown = || ApiError::ModelNotFound(name.to_owned());
        let path = self.folder.find(name).ok_or_else(unknown)?;
        let source = Source::of(&path).ok_or_else(unknown)?;
        match self.seen().get(name) {
            Some(Seen::Unloaded(Some(known))) if *known == source => return Err(unknown()),
            Some(Seen::Failed(known, reason)) if *known == source => {
                return Err(ApiError::field("model", reason.clone()));
            }
            _ => {}
        }
        match self.read(name, path, LoadPolicy::Create).await {
            Ok(generation) => {
                tracing::info!(%name, generation = %generation.id, "an adapter was found: loaded");
                self.remember(name, Seen::Loaded(source));
                Ok(generation)
            }
            Err(error) => {
                if let Unreadable::Files(reason) = &error {
                    self.remember(name, Seen::Failed(source, reason.clone()));
                }
                Err(error.about("model"))
            }
        }
    }

    /// Loads on a thread that may block.
    async fn read(
        &self,
        name: &str,
        path: PathBuf,
        policy: LoadPolicy,
    ) -> Result<Arc<Generation>, Unreadable> {
        let (registry, name) = (self.registry.clone(), name.to_owned());
        let shown = path.display().to_string();
        actix_web::web::block(move || registry.load(&name, &path, policy))
            .await
            .map_err(|_| Unreadable::Stopping)?
            .inspect(|generation| warn_of(generation))
            .map_err(|error| {
                let message = without_path(&error.to_string(), &shown);
                match error.is_fault_of_files() {
                    true => Unreadable::Files(message),
                    false => Unreadable::Now(message),
                }
            })
    }
}

fn warn_of(generation: &Generation) {
    for warning in &generation.report.warnings {
        tracing::warn!("adapter {}: {warning}", generation.name);
    }
}

/// Why an adapter was not loaded.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// Its files are at fault.
    #[error("{0}")]
    Files(String),
    /// Something else is, that may pass.
    #[error("{0}")]
    Now(String),
    /// The server stops before it is read.
    #[error("the server is stopping")]
    Stopping,
}

impl Unreadable {
    /// The answer to a request that named the adapter in the field `param`.
    fn about(&self, param: &str) -> ApiError {
        match self {
            Self::Stopping => super::draining(),
            Self::Files(message) | Self::Now(message) => ApiError::field(param, message.as_str()),
        }
    }
}

/// Where an adapter lies on the server's disk is not for clients: its folder's own name will do.
fn without_path(message: &str, folder: &str) -> String {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    message.replace(folder, name)
}
