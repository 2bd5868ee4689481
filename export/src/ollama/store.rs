//! Ollama's model store, written directly and without a daemon: `blobs/sha256-…` first, each through
//! a draft that is flushed and renamed, `manifests/HOST/NAMESPACE/MODEL/TAG` last. A crash at any
//! moment leaves every model that the store names whole. Nothing is ever removed from a store.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use formats::whole;

use super::image::{Blob, Image, Source};
use super::name::ModelName;
use crate::{Error, Result};

/// A folder that Ollama reads as `OLLAMA_MODELS`.
pub struct Store {
    root: PathBuf,
}

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes of blobs that were new.
    pub new_bytes: u64,
    /// Bytes of blobs that were there already.
    pub shared_bytes: u64,
}

impl Store {
    /// A store; its folders are made where they are missing.
    ///
    /// # Errors
    /// A path that is no folder or cannot be written to.
    pub fn open(root: &Path) -> Result<Self> {
        if root.exists() && !root.is_dir() {
            return Err(Error::refused(root, "is no folder; give the folder of an Ollama store"));
        }
        for folder in ["blobs", "manifests"] {
            make_dirs(&root.join(folder))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The file of a model's manifest.
    pub fn manifest(&self, name: &ModelName) -> PathBuf {
        self.root.join("manifests").join(name.path())
    }

    /// The file of a blob.
    pub fn blob(&self, sha256: &str) -> PathBuf {
        self.root.join("blobs").join(format!("sha256-{sha256}"))
    }

    /// The store's folder, on whose file system a draft can become a blob by a rename.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folders in which a model's files are made.
    pub fn folders(&self, name: &ModelName) -> Vec<PathBuf> {
        let manifests = self.manifest(name).parent().map(Path::to_owned);
        [self.root.clone(), self.root.join("blobs")].into_iter().chain(manifests).collect()
    }

    /// Refuses a name that the store has, unless it may be replaced.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn refuse_existing(&self, name: &ModelName, replace: bool) -> Result<()> {
        let path = self.manifest(name);
        if path.is_dir() {
            return Err(Error::refused(&path, "is a folder where a manifest should be"));
        }
        if path.exists() && !replace {
            let problem =
                format!("the store has {name} already; choose another --name or give --force");
            return Err(Error::refused(&path, problem));
        }
        Ok(())
    }

    /// Writes models: all blobs, then the manifests.
    ///
    /// # Errors
    /// A name that is taken (without `replace`), or whatever the operating system says. Manifests that
    /// were written by then name whole models; blobs that no manifest names do no harm and are used by
    /// the next try (Ollama removes them an hour later).
    pub fn write(&self, images: &[(ModelName, Image)], replace: bool) -> Result<Written> {
        for (name, _) in images {
            self.refuse_existing(name, replace)?;
        }
        // Blobs that killed writers left unfinished; nobody else asks for the same ones.
        whole::clear_drafts(&self.root.join("blobs"))?;
        let mut written = Written::default();
        let mut seen = Vec::new();
        for blob in images.iter().flat_map(|(_, image)| image.blobs()) {
            if seen.contains(&&blob.sha256) {
                written.shared_bytes += blob.size;
                continue;
            }
            seen.push(&blob.sha256);
            match self.put(blob)? {
                true => written.new_bytes += blob.size,
                false => written.shared_bytes += blob.size,
            }
        }
        for (name, image) in images {
            let path = self.manifest(name);
            if let Some(folder) = path.parent() {
                make_dirs(folder)?;
            }
            whole::write_file(&path, &image.manifest()?)?;
        }
        Ok(written)
    }

    /// Puts a blob in its place; `false` if it was there.
    fn put(&self, blob: &Blob) -> Result<bool> {
        let path = self.blob(&blob.sha256);
        let there = fs_err::metadata(&path).is_ok_and(|data| data.len() == blob.size);
        if there {
            // Ollama removes blobs that no manifest names and that are old: this one is in use again.
            fs_err::File::options().append(true).open(&path)?.set_modified(SystemTime::now())?;
            return Ok(false);
        }
        if let Source::Draft(draft) = &blob.source {
            fs_err::File::open(draft)?.sync_all()?;
            // Another file system refuses the rename: then the bytes are copied.
            if fs_err::rename(draft, &path).is_ok() {
                sync_dir(&self.root.join("blobs"))?;
                return Ok(true);
            }
        }
        whole::write_file_with(&path, |out| blob.copy_to(out))?;
        Ok(true)
    }
}

/// Makes a folder and those above it, and flushes the names.
fn make_dirs(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_dirs(parent)?;
    }
    match fs_err::create_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    sync_dir(parent.unwrap_or(Path::new(".")))
}

fn sync_dir(path: &Path) -> Result<()> {
    Ok(fs_err::File::open(path)?.sync_all()?)
}
