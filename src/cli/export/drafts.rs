//! Packages are made beside their place and put there when they are proven: what fails leaves nothing.

use std::path::Path;

use anyhow::{Context, Result};

/// A folder for drafts on the same file system as `path`, gone when it is dropped. The folders above
/// `path` are made where they are missing.
pub(super) fn drafts_beside(path: &Path) -> Result<tempfile::TempDir> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs_err::create_dir_all(parent)?;
    drafts_in(parent)
}

/// A folder for drafts in `dir`, gone when it is dropped.
pub(super) fn drafts_in(dir: &Path) -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(".wardrobe-export.")
        .tempdir_in(dir)
        .with_context(|| format!("cannot write to {}", dir.display()))
}

/// Renames a finished draft to its place.
pub(super) fn put_in_place(draft: &Path, path: &Path) -> Result<()> {
    fs_err::rename(draft, path)
        .with_context(|| format!("cannot put the finished file at {}", path.display()))
}
