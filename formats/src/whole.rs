//! Files and folders that appear on disk complete or not at all: built beside their place, flushed,
//! renamed. Two writers of one path both succeed and the last one stays. What a killed writer left
//! unfinished is removed by the next writer of the same path.

mod draft;
mod replace;

use std::ffi::{OsStr, OsString};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use draft::{DraftDir, DraftFile};

use crate::{Error, Result};

pub use draft::{DraftRoom, abandon_drafts, clear_drafts, with_final_names};
pub use replace::recover_dir;

/// What to do when the folder to be written exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and return an error.
    Refuse,
    /// Put the new folder in its place.
    Replace,
}

/// Writes `bytes` to `path`, replacing any file there.
///
/// # Errors
/// [`Error::Io`] naming the path; the old file is then untouched.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_file_with(path, |out| out.write_all(bytes))
}

/// Like [`write_file`], for contents that `fill` streams.
///
/// # Errors
/// [`Error::Io`] naming the path, or what `fill` returned; the old file is then untouched.
pub fn write_file_with(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let (parent, name) = place(path)?;
    let about = |source| cannot_write(path, source);
    let mut draft = DraftFile::beside(&parent, &name).map_err(about)?;
    let mut out = BufWriter::new(draft.file());
    fill(&mut out).and_then(|()| out.flush()).map_err(about)?;
    drop(out);
    draft.put_at(path).map_err(about)?;
    sync_dir(&parent)
}

/// Like [`write_file_with`], for contents whose making can fail in other ways than writing: `fill`'s
/// error is returned as it is. Errors of the writer it is given name the path.
///
/// # Errors
/// What `fill` returned, or [`Error::Io`] naming the path; the old file is then untouched.
pub fn stream_file<E: From<Error> + From<std::io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let (parent, name) = place(path)?;
    let about = |source| cannot_write(path, source);
    let mut draft = DraftFile::beside(&parent, &name).map_err(about)?;
    let mut out = Named { out: BufWriter::new(draft.file()), path };
    fill(&mut out)?;
    out.flush()?;
    drop(out);
    draft.put_at(path).map_err(about)?;
    Ok(sync_dir(&parent)?)
}

/// A writer whose errors name the path that the bytes are for.
struct Named<'a, W> {
    out: W,
    path: &'a Path,
}

impl<W: Write> Write for Named<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes).map_err(|source| cannot_write_io(self.path, source))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush().map_err(|source| cannot_write_io(self.path, source))
    }
}

/// Builds a folder: `fill` is given an empty folder beside `path`; when it returns, everything in it
/// is flushed and the folder takes its place in one rename.
///
/// With [`Existing::Replace`] the old and the new folder change places in one step, and the old one is
/// removed then: at no moment is there none. A file system that cannot do that has the old folder
/// renamed aside first; a crash then leaves one of both whole, see [`recover_dir`].
///
/// # Errors
/// What `fill` returned, or [`Error::Io`]; nothing is then left behind and the old folder stays.
pub fn write_dir<E: From<Error>>(
    path: &Path,
    existing: Existing,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    recover_dir(path)?;
    let (parent, name) = place(path)?;
    if existing == Existing::Refuse {
        refuse_existing(path)?;
    }
    let about = |source| cannot_write(path, source);
    let draft = DraftDir::beside(&parent, &name).map_err(about)?;
    fill(draft.path())?;
    Ok(put_in_place(draft, path, existing)?)
}

/// [`write_dir`] with [`Existing::Replace`].
///
/// # Errors
/// As [`write_dir`].
pub fn replace_dir<E: From<Error>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    write_dir(path, Existing::Replace, fill)
}

/// Bytes that may still be written below the folder `dir`; `None` where the system does not say, or the
/// file system does not count.
pub fn free_space(dir: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(dir).ok()?;
    free_bytes(system.f_blocks, system.f_bavail, system.f_frsize)
}

/// A file system of no blocks at all (some that run in user space) counts none.
fn free_bytes(blocks: u64, free: u64, block: u64) -> Option<u64> {
    (blocks > 0).then(|| free.saturating_mul(block))
}

fn put_in_place(draft: DraftDir, path: &Path, existing: Existing) -> Result<()> {
    sync_tree(draft.path())?;
    let (parent, _) = place(path)?;
    if path.exists() {
        if existing == Existing::Refuse {
            refuse_existing(path)?;
        }
        return replace::replace(draft, path, &parent);
    }
    fs_err::rename(draft.path(), path)?;
    // The folder has moved: there is nothing left for the guard to remove.
    draft.moved();
    sync_dir(&parent)
}

fn refuse_existing(path: &Path) -> Result<()> {
    if path.exists() {
        let problem = "exists already; choose another name or remove it first";
        return Err(Error::malformed(path, problem));
    }
    Ok(())
}

/// The folder that holds `path`, and its last name.
fn place(path: &Path) -> Result<(PathBuf, OsString)> {
    let Some(name) = path.file_name() else {
        return Err(Error::malformed(path, "expected a path that ends in a name"));
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok((parent, name.to_owned()))
}

fn hidden(name: &OsStr, suffix: &str) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(suffix);
    hidden
}

fn cannot_write(path: &Path, source: std::io::Error) -> Error {
    Error::Io(cannot_write_io(path, source))
}

fn cannot_write_io(path: &Path, source: std::io::Error) -> std::io::Error {
    let message = format!("cannot write {}: {source}", path.display());
    std::io::Error::new(source.kind(), message)
}

/// Flushes every file and folder below `dir`, and `dir` itself.
fn sync_tree(dir: &Path) -> Result<()> {
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            fs_err::File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<()> {
    Ok(fs_err::File::open(dir)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_no_bytes_and_one_that_does_not_count_has_none_to_tell() {
        assert_eq!(free_bytes(100, 7, 4096), Some(7 * 4096));
        assert_eq!(free_bytes(100, 0, 4096), Some(0));
        assert_eq!(free_bytes(0, 0, 4096), None);
    }
}
