//! Every adapter folder below one folder, for a server that starts.

use super::{AdapterError, Generation, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What [`super::Registry::scan_dir`] found.
#[derive(Debug, Default)]
pub struct Scan {
    /// What was loaded, by folder name.
    pub loaded: Vec<Arc<Generation>>,
    /// Which folders were not, and why.
    pub failed: Vec<(PathBuf, AdapterError)>,
}

/// Name and path of each folder that holds an adapter, in order of name.
pub(super) fn adapter_folders(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
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
