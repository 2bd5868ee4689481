//! `--model ORG/NAME[@REVISION]`: a model of the Hugging Face hub, fetched into the hub's own cache; and
//! the files of a data set.
//!
//! Only what is needed is fetched: configs, tokenizer, chat template, card and licence, and the
//! safetensors that the index names. An interrupted download goes on where it stopped; a finished one is held to the size
//! and, for large files, the SHA-256 that the hub states. Without a network a complete copy in the
//! cache is used. Leaves out: gated licences, which are accepted on the hub's site.

mod config;
mod dataset;
mod fault;
mod files;
mod progress;
mod upload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use formats::digest::sha256_from;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

pub(super) use config::HubConfig;
pub(super) use dataset::fetch_files;
use fault::Fault;
use progress::Download;
pub(super) use upload::{PushFile, push};

/// Tries for each file before the download is given up.
const TRIES: u32 = 4;

/// A model or a data set of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModelId {
    id: String,
    revision: String,
}

/// Reads `ORG/NAME` or `ORG/NAME@REVISION`; `None` for what cannot be a hub id.
pub(super) fn parse_id(text: &str) -> Option<ModelId> {
    let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
    let word = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        part.chars().all(plain) && part.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    let (org, name) = id.split_once('/')?;
    let fits = word(org) && word(name) && !revision.is_empty();
    fits.then(|| ModelId { id: id.to_owned(), revision: revision.to_owned() })
}

/// The folder of a model, fetched first where the cache lacks it.
pub(super) fn fetch(model: &ModelId, config: &HubConfig) -> Result<PathBuf> {
    let hub = Hub::new(model, RepoType::Model, config)?;
    if config.offline {
        return hub.cached().with_context(|| {
            format!("HF_HUB_OFFLINE is set and the cache holds no complete copy of {}", model.id)
        });
    }
    match hub.fetch() {
        Ok(folder) => Ok(folder),
        Err(error) => match hub.cached() {
            Some(folder) if !error.is::<NoSuchModel>() => {
                tracing::warn!("the copy in the cache is used: {error:#}");
                Ok(folder)
            }
            _ => Err(error),
        },
    }
}

/// The hub says that there is no such model or data set, or that this user may not see it.
#[derive(Debug, thiserror::Error)]
#[error("{missing}{endpoint} {says}")]
struct NoSuchModel {
    /// What is said first of a model: that there is no such folder either.
    missing: String,
    endpoint: String,
    says: String,
}

/// One repository of the hub and its place in the cache.
struct Hub<'a> {
    model: &'a ModelId,
    kind: RepoType,
    config: &'a HubConfig,
    api: Api,
    remote: ApiRepo,
    cache: Cache,
    repo: Repo,
}

impl<'a> Hub<'a> {
    fn new(model: &'a ModelId, kind: RepoType, config: &'a HubConfig) -> Result<Self> {
        let cache = Cache::new(config.cache_dir.clone());
        let repo = Repo::with_revision(model.id.clone(), kind, model.revision.clone());
        let mut builder =
            ApiBuilder::from_cache(cache.clone()).with_endpoint(config.endpoint.clone());
        if let Some(token) = &config.token {
            builder = builder.with_token(Some(token.clone()));
        }
        let api = builder.build().context("cannot speak to the hub")?;
        let remote = api.repo(repo.clone());
        Ok(Self { model, kind, config, api, remote, cache, repo })
    }

    /// The folder in the cache, if every file that is needed is there.
    fn cached(&self) -> Option<PathBuf> {
        let local = self.cache.repo(self.repo.clone());
        let folder = local.get("config.json")?.parent()?.to_owned();
        files::is_complete(&folder).then_some(folder)
    }

    fn fetch(&self) -> Result<PathBuf> {
        let info = self.remote.info().map_err(|error| self.explain(error))?;
        let names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
        let local = self.cache.repo(self.repo.clone());
        let folder = local.pointer_path(&info.sha);
        for name in files::small(&names) {
            self.file(&folder, &name)?;
        }
        for name in files::weights(&names, &folder, &self.model.id)? {
            self.file(&folder, &name)?;
        }
        local.create_ref(&info.sha).context("cannot write to the hub cache")?;
        Ok(folder)
    }

    /// Makes sure of one file.
    fn file(&self, folder: &Path, name: &str) -> Result<()> {
        if folder.join(name).exists() {
            return Ok(());
        }
        let what = || format!("cannot fetch {name} of {}", self.model.id);
        let mut tries = 0;
        let path = loop {
            tries += 1;
            match self.attempt(name) {
                Ok(path) => break path,
                Err(error) if tries >= TRIES || !may_pass(&error) => {
                    return Err(error).with_context(what);
                }
                Err(error) => {
                    tracing::warn!("{}: {error:#}; trying again", what());
                    std::thread::sleep(Duration::from_secs(1 << tries));
                }
            }
        };
        if path.parent() != Some(folder) && !folder.join(name).exists() {
            bail!(
                "{} changed on the hub while it was fetched; run the command again",
                self.model.id
            );
        }
        Ok(())
    }

    /// One try: goes on with a part that is there, then checks the whole.
    fn attempt(&self, name: &str) -> Result<PathBuf> {
        let stated =
            self.api.metadata(&self.remote.url(name)).map_err(|error| self.explain(error))?;
        let blob = self.cache.repo(self.repo.clone()).blob_path(stated.etag());
        let part = blob.with_extension("part");
        // A part that is complete cannot be asked to go on, and a longer one is no part of this.
        if fs_err::metadata(&part).is_ok_and(|data| data.len() >= stated.size() as u64) {
            fs_err::remove_file(&part)?;
        }
        let download = Download::new(name);
        let path = self
            .remote
            .download_with_progress(name, download)
            .map_err(|error| self.explain(error))?;
        let whole = check(&blob, stated.size(), stated.etag());
        if whole.is_err() {
            fs_err::remove_file(&path)?;
            fs_err::remove_file(&blob)?;
        }
        whole.map(|()| path)
    }

    /// What a user can do about the hub's answer, or about this machine where the fault is there.
    fn explain(&self, error: ApiError) -> anyhow::Error {
        let id = &self.model.id;
        let (kind, missing) = match self.kind {
            RepoType::Model => ("model", format!("there is no folder {id} here, and ")),
            RepoType::Dataset | RepoType::Space => ("data set", format!("cannot fetch {id}: ")),
        };
        let endpoint = &self.config.endpoint;
        let says = match Fault::of(error) {
            Fault::Status(404) => format!("has no such {kind}"),
            Fault::Status(401 | 403) => {
                let advice = "accept its licence there and set HF_TOKEN";
                format!("shows it only to users whom it knows ({advice})")
            }
            fault @ Fault::Disk(_) => {
                let cache = self.config.cache_dir.display();
                return fault.at(endpoint).context(format!("cannot write to the cache {cache}"));
            }
            fault => return fault.at(endpoint),
        };
        NoSuchModel { missing, endpoint: endpoint.clone(), says }.into()
    }
}

/// Whether another try may help: not where the hub has refused, and not where this machine cannot write.
fn may_pass(error: &anyhow::Error) -> bool {
    !error.is::<NoSuchModel>() && !error.is::<std::io::Error>()
}

/// Holds a file to its stated size and, where the etag is a SHA-256 (large files), to that.
fn check(blob: &Path, size: usize, etag: &str) -> Result<()> {
    let found = fs_err::metadata(blob)?.len();
    if found != size as u64 {
        bail!("it should have {size} bytes, and {found} came");
    }
    let is_sha256 = etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_sha256 {
        return Ok(());
    }
    let (found, _) = sha256_from(&mut fs_err::File::open(blob)?)?;
    if found != etag.to_ascii_lowercase() {
        bail!("its SHA-256 should be {etag}, and {found} came");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
