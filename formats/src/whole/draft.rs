//! Unfinished files and folders: hidden beside their place, locked while somebody works on them, gone
//! when they are dropped. A killed writer drops nothing, but its lock ends with it: so the next writer
//! of the same path knows what to remove.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fancy_regex::Regex;
use tempfile::{Builder, NamedTempFile, TempDir};

use super::{cannot_write, hidden, place};
use crate::Result;

/// How the hidden name of an unfinished file or folder ends.
const DRAFT: &str = ".draft";
/// How the hidden name of a folder for several of them ends.
const ROOM: &str = ".drafts";
/// What is put behind these while what this process abandons is being removed.
const GONE: &str = ".gone";
/// Drafts that other writers may take for abandoned before one stays.
const TRIES: usize = 16;

/// An unfinished file.
pub(super) struct DraftFile(NamedTempFile);

impl DraftFile {
    /// For the file `name` in `parent`, with the permissions that `open` would have given it.
    pub(super) fn beside(parent: &Path, name: &OsStr) -> io::Result<Self> {
        let (prefix, mode) = (begin(parent, name), Permissions::from_mode(0o666));
        let make = || {
            Builder::new()
                .prefix(&prefix)
                .suffix(DRAFT)
                .permissions(mode.clone())
                .tempfile_in(parent)
                .map_err(reason)
        };
        for _ in 1..TRIES {
            let draft = make()?;
            if keeps(draft.as_file(), draft.path()) {
                return Ok(Self(draft));
            }
        }
        Ok(Self(make()?))
    }

    /// The file to fill.
    pub(super) fn file(&mut self) -> &mut File {
        self.0.as_file_mut()
    }

    /// Flushes it and renames it to its place.
    pub(super) fn put_at(self, path: &Path) -> io::Result<()> {
        self.0.as_file().sync_all()?;
        self.0.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// An unfinished folder.
pub(super) struct DraftDir {
    dir: TempDir,
    _lock: Option<File>,
}

impl DraftDir {
    /// For the folder `name` in `parent`, with the permissions that `mkdir` would have given it.
    pub(super) fn beside(parent: &Path, name: &OsStr) -> io::Result<Self> {
        Self::make(parent, name, DRAFT)
    }

    fn make(parent: &Path, name: &OsStr, suffix: &str) -> io::Result<Self> {
        let (prefix, mode) = (begin(parent, name), Permissions::from_mode(0o777));
        let make = || {
            Builder::new()
                .prefix(&prefix)
                .suffix(suffix)
                .permissions(mode.clone())
                .tempdir_in(parent)
                .map_err(reason)
        };
        for _ in 1..TRIES {
            let dir = make()?;
            let lock = File::open(dir.path()).ok();
            if lock.as_ref().is_none_or(|lock| keeps(lock, dir.path())) {
                return Ok(Self { dir, _lock: lock });
            }
        }
        Ok(Self { dir: make()?, _lock: None })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// It has been renamed to its place: there is nothing left to remove.
    pub(super) fn moved(self) {
        let _path = self.dir.keep();
    }

    /// Removes what is there now; if that is gone already, it is as well.
    pub(super) fn remove(self) -> Result<()> {
        let path = self.dir.keep();
        Ok(gone_already(fs_err::remove_dir_all(path))?)
    }
}

/// A hidden folder beside a path, on the same file system, for what is made on the way to it. Gone when
/// it is dropped.
pub struct DraftRoom(DraftDir);

impl DraftRoom {
    /// A room beside `path`. The folders above `path` are made where they are missing.
    ///
    /// # Errors
    /// [`crate::Error::Io`] naming the path.
    pub fn beside(path: &Path) -> Result<Self> {
        let (parent, name) = place(path)?;
        fs_err::create_dir_all(&parent)?;
        let made = DraftDir::make(&parent, &name, ROOM);
        Ok(Self(made.map_err(|source| cannot_write(path, source))?))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Removes the drafts in `dir` that nobody works on any more, whatever they were to become.
///
/// # Errors
/// [`crate::Error::Io`] if the folder cannot be read or a draft not be removed.
pub fn clear_drafts(dir: &Path) -> Result<()> {
    Ok(remove(dir, &|_| true, Whose::Nobodys)?)
}

/// Removes the drafts that this process makes in `dir`: for the moment before it ends without dropping
/// them. A thread that puts one of them in its place meanwhile either was faster, and what it put there
/// stays, or finds none.
///
/// # Errors
/// As [`clear_drafts`].
pub fn abandon_drafts(dir: &Path) -> Result<()> {
    let own = std::process::id().to_string();
    Ok(remove(dir, &|draft| draft.process == own, Whose::Ours)?)
}

/// A message in which drafts are called by the names that they were to get.
pub fn with_final_names(message: &str) -> String {
    let room = Regex::new(r"/\.[^/]+?\.[0-9]+-[A-Za-z0-9]{6}\.drafts");
    let draft = Regex::new(r"/\.([^/]+?)\.[0-9]+-[A-Za-z0-9]{6}\.draft");
    let (Ok(room), Ok(draft)) = (room, draft) else { return message.to_owned() };
    draft.replace_all(&room.replace_all(message, ""), "/$1").into_owned()
}

/// Removes what earlier writers of this place left, and gives how the name of a new draft begins.
fn begin(parent: &Path, name: &OsStr) -> OsString {
    let of_this = |draft: &DraftName| draft.of == name.as_encoded_bytes();
    // A folder that cannot be listed, or a draft that cannot be removed, hinders nobody.
    let _hindered = remove(parent, &of_this, Whose::Nobodys);
    hidden(name, &format!(".{}-", std::process::id()))
}

/// The system's reason alone: callers name the path that is meant.
fn reason(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path \"") {
        Some((reason, _)) => io::Error::new(error.kind(), reason),
        None => error,
    }
}

/// A draft's name, taken apart: `.OF.PROCESS-RANDOM.draft`, and perhaps `.gone`.
struct DraftName<'a> {
    /// The name that it is to get.
    of: &'a [u8],
    /// The id of the process that makes it.
    process: &'a str,
}

impl<'a> DraftName<'a> {
    fn parse(name: &'a [u8]) -> Option<Self> {
        let name = name.strip_suffix(GONE.as_bytes()).unwrap_or(name);
        let stem = [DRAFT, ROOM].iter().find_map(|end| name.strip_suffix(end.as_bytes()))?;
        let at = stem.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 1)?;
        let (process, random) = str::from_utf8(&stem[at + 1..]).ok()?.split_once('-')?;
        let number = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
        let letters = random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let hidden = stem[..at].strip_prefix(b".")?;
        (number && letters).then_some(Self { of: hidden, process })
    }
}

/// Which drafts may be removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Those that nobody has locked.
    Nobodys,
    /// Those that this process has.
    Ours,
}

/// Removes `these` drafts from `dir`.
fn remove(dir: &Path, these: &dyn Fn(&DraftName) -> bool, whose: Whose) -> io::Result<()> {
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let (path, name, kind) = (entry.path(), entry.file_name(), entry.file_type()?);
        let draft = DraftName::parse(name.as_encoded_bytes()).filter(|draft| these(draft));
        if draft.is_none() || kind.is_symlink() {
            continue;
        }
        let free = match whose {
            Whose::Nobodys => unlocked(&path).map(Some),
            Whose::Ours => Some(None),
        };
        // Held until the draft is gone, so that its maker does not take it for good in between.
        let Some(_lock) = free else { continue };
        let removed = match (kind.is_dir(), whose) {
            (true, Whose::Nobodys) => fs_err::remove_dir_all(&path),
            (true, Whose::Ours) => out_of_reach(path).and_then(fs_err::remove_dir_all),
            (false, _) => fs_err::remove_file(&path),
        };
        // Its maker, or another who clears, may have been faster.
        gone_already(removed)?;
    }
    Ok(())
}

/// Renames a folder that a thread of this process may be about to put in its place, so that the thread
/// does not find it: otherwise it could move what is being emptied to where the old folder was, and the
/// old one to where the emptying goes on.
fn out_of_reach(path: PathBuf) -> io::Result<PathBuf> {
    if path.as_os_str().as_encoded_bytes().ends_with(GONE.as_bytes()) {
        return Ok(path);
    }
    let mut gone = path.clone().into_os_string();
    gone.push(GONE);
    fs_err::rename(path, &gone)?;
    Ok(gone.into())
}

/// What is not there is removed.
fn gone_already(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// The draft with its lock, if nobody holds that. One that cannot be asked counts as held.
fn unlocked(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().is_ok().then_some(file)
}

/// Locks a new draft until `file` is closed. `false` if another writer took it for abandoned in the
/// moment before. Where a file system has no locks, nobody takes a draft for abandoned.
fn keeps(file: &File, path: &Path) -> bool {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => false,
        Ok(()) | Err(TryLockError::Error(_)) => path.exists(),
    }
}
