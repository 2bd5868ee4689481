//! Every adapter folder below one folder, for a server that starts.

use super::{AdapterError, Generation, Problem, Result};
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

/// The two files that make a folder an adapter.
pub const FILES: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// Refuses a folder whose files are links: a server that starts follows none below its adapter folder.
pub(super) fn refuse_links(folder: &Path) -> Result<()> {
    let Some(file) = FILES.iter().find(|file| folder.join(file).is_symlink()) else {
        return Ok(());
    };
    Err(AdapterError::Invalid { path: folder.to_owned(), problem: Problem::Linked { file } })
}

/// Name and path of each folder that holds an adapter, in order of name.
pub(super) fn adapter_folders(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in fs_err::read_dir(dir).map_err(formats::Error::from)? {
        let entry = entry.map_err(formats::Error::from)?;
        let is_folder = entry.file_type().map_err(formats::Error::from)?.is_dir();
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_folder && !name.starts_with('.') && entry.path().join(FILES[0]).exists() {
            folders.push((name, entry.path()));
        }
    }
    folders.sort();
    Ok(folders)
}
