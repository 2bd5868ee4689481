//! Whether an adapter's files are those that were read: by time, length and inode, not by content.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a folder looked like when it was last read: a change of either file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    weights: FileStamp,
    config: FileStamp,
}

/// Time of change, length, and inode: a file that is renamed into place has a new one.
type FileStamp = (SystemTime, u64, u64);

impl Stamp {
    fn of(folder: &Path) -> Option<Self> {
        let file = |name: &str| -> Option<FileStamp> {
            let data = fs_err::metadata(folder.join(name)).ok()?;
            Some((data.modified().ok()?, data.len(), data.ino()))
        };
        Some(Self {
            weights: file("adapter_model.safetensors")?,
            config: file("adapter_config.json")?,
        })
    }
}

/// Files as they were at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The adapter's folder.
    pub folder: PathBuf,
    stamp: Stamp,
}

impl Source {
    /// The files in a folder as they are now; `None` where one is missing.
    pub fn of(folder: &Path) -> Option<Self> {
        Some(Self { folder: folder.to_owned(), stamp: Stamp::of(folder)? })
    }

    /// Whether the files are as they were, or gone.
    pub fn is_current(&self) -> bool {
        Stamp::of(&self.folder).is_none_or(|now| now == self.stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_renamed_into_place_shows_even_with_the_same_length_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let files = ["adapter_config.json", "adapter_model.safetensors"];
        files.iter().for_each(|file| fs_err::write(path(file), "a").unwrap());
        let source = Source::of(dir.path()).unwrap();
        assert!(source.is_current());
        let time = fs_err::metadata(path(files[1])).unwrap().modified().unwrap();
        fs_err::write(path("new"), "b").unwrap();
        fs_err::File::options().write(true).open(path("new")).unwrap().set_modified(time).unwrap();
        fs_err::rename(path("new"), path(files[1])).unwrap();
        assert!(!source.is_current());
        fs_err::remove_file(path(files[1])).unwrap();
        assert!(source.is_current(), "what is gone is not newer");
        assert_eq!(Source::of(dir.path()), None);
    }
}
