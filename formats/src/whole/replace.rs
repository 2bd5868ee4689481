//! A finished folder in place of another: both change places in one step where the file system can do
//! that (`renameat2`, or macOS's like of it). Elsewhere the old one waits aside for the moment between two renames,
//! and what a crash in that moment leaves is put right by [`recover_dir`].

use std::io;
use std::path::{Path, PathBuf};

use super::draft::DraftDir;
use super::{cannot_write, hidden, place, sync_dir};
use crate::Result;

/// Puts the flushed `draft` in the place of the folder at `path`, which lies in `parent`, and removes
/// what was there.
pub(super) fn replace(draft: DraftDir, path: &Path, parent: &Path) -> Result<()> {
    match exchange(draft.path(), path) {
        Ok(()) => sync_dir(parent)?,
        Err(error) if is_unknown(&error) => return by_way_of_aside(draft, path, parent),
        Err(error) => return Err(cannot_write(path, error)),
    }
    // The draft is the old folder now.
    draft.remove()
}

/// Undoes a replacement that a crash interrupted: if `path` is gone but its predecessor lies aside,
/// the predecessor is put back; if both are there, the predecessor is removed.
///
/// # Errors
/// [`crate::Error::Io`] if a rename or a removal fails.
pub fn recover_dir(path: &Path) -> Result<()> {
    let aside = aside(path)?;
    match (path.exists(), aside.exists()) {
        (false, true) => fs_err::rename(&aside, path)?,
        (true, true) => fs_err::remove_dir_all(&aside)?,
        (_, false) => {}
    }
    Ok(())
}

/// Lets two paths of one file system change their contents in one step.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(_one: &Path, _other: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether the system or the file system does not know how to exchange two paths. Another reason, such as
/// a draft that was just taken away, stands against the other way as well.
fn is_unknown(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let unknown = [Errno::NOSYS, Errno::INVAL, Errno::OPNOTSUPP, Errno::NOTSUP];
    error.kind() == io::ErrorKind::Unsupported
        || unknown.iter().any(|known| error.raw_os_error() == Some(known.raw_os_error()))
}

fn by_way_of_aside(draft: DraftDir, path: &Path, parent: &Path) -> Result<()> {
    let aside = aside(path)?;
    fs_err::rename(path, &aside)?;
    if let Err(error) = fs_err::rename(draft.path(), path) {
        fs_err::rename(&aside, path)?;
        return Err(error.into());
    }
    draft.moved();
    sync_dir(parent)?;
    Ok(fs_err::remove_dir_all(&aside)?)
}

/// Where the old folder waits while the new one takes its place.
fn aside(path: &Path) -> Result<PathBuf> {
    let (parent, name) = place(path)?;
    Ok(parent.join(hidden(&name, ".replaced")))
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::super::abandon_drafts;
    use super::*;

    /// A folder with one file, and a draft of its successor.
    fn old_and_new(root: &Path) -> (PathBuf, DraftDir) {
        let path = root.join("out");
        fs_err::create_dir(&path).unwrap();
        fs_err::write(path.join("text"), "old").unwrap();
        let draft = DraftDir::beside(root, "out".as_ref()).unwrap();
        fs_err::write(draft.path().join("text"), "new").unwrap();
        (path, draft)
    }

    #[test]
    fn both_ways_leave_the_new_folder_alone() {
        for way in [replace, by_way_of_aside] {
            let root = tempfile::tempdir().unwrap();
            let (path, draft) = old_and_new(root.path());
            way(draft, &path, root.path()).unwrap();
            assert_eq!(fs_err::read_to_string(path.join("text")).unwrap(), "new");
            assert_eq!(fs_err::read_dir(root.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn where_nothing_can_be_moved_the_old_folder_stays() {
        let root = tempfile::tempdir().unwrap();
        let (path, draft) = old_and_new(root.path());
        fs_err::remove_dir_all(draft.path()).unwrap();
        let error = by_way_of_aside(draft, &path, root.path()).unwrap_err().to_string();
        assert!(error.contains("No such file"), "{error}");
        assert_eq!(fs_err::read_to_string(path.join("text")).unwrap(), "old");
        assert_eq!(fs_err::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_where_exchange_is_unknown_the_old_folder_moves_aside() {
        let root = tempfile::tempdir().unwrap();
        let (path, draft) = old_and_new(root.path());
        fs_err::remove_dir_all(draft.path()).unwrap();
        // The other way would stumble over this one.
        let in_the_way = aside(&path).unwrap();
        fs_err::create_dir_all(in_the_way.join("full")).unwrap();
        let error = replace(draft, &path, root.path()).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("No such file"), "{error}");
        assert!(path.join("text").exists() && in_the_way.join("full").exists());

        for error in [Errno::NOSYS, Errno::INVAL, Errno::OPNOTSUPP, Errno::NOTSUP] {
            assert!(is_unknown(&error.into()), "{error}");
        }
        assert!(!is_unknown(&Errno::NOENT.into()));
    }

    /// Between the last look at the draft and the exchange, a signal's handler begins to remove it.
    #[test]
    fn a_draft_that_is_being_abandoned_takes_no_place() {
        const FILES: usize = 3000;
        let root = tempfile::tempdir().unwrap();
        let (path, draft) = old_and_new(root.path());
        for file in 0..FILES {
            fs_err::write(draft.path().join(file.to_string()), "").unwrap();
        }
        let whole = |dir: &Path| fs_err::read_dir(dir).is_ok_and(|files| files.count() > FILES);
        std::thread::scope(|scope| {
            let handler = scope.spawn(|| (0..100).any(|_| abandon_drafts(root.path()).is_ok()));
            while whole(draft.path()) && !handler.is_finished() {}
            let error = replace(draft, &path, root.path()).unwrap_err().to_string();
            assert!(error.contains("No such file"), "{error}");
        });
        assert_eq!(fs_err::read_to_string(path.join("text")).unwrap(), "old");
        assert_eq!(fs_err::read_dir(root.path()).unwrap().count(), 1);
    }
}
