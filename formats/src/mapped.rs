//! A file's bytes, mapped into memory read-only or held there. The crate's only `unsafe`.

use std::ops::Range;
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};

use crate::{Error, Result};

/// A file's bytes.
pub(crate) enum Bytes {
    /// In the file, read when they are touched.
    Mapped(Mmap),
    /// In memory.
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps the file at `path`; see [`map`] for what must not happen to it meanwhile.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be opened; [`Error::Malformed`] if it is empty.
    pub(crate) fn map(path: &Path) -> Result<Self> {
        map(path).map(Self::Mapped)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(mapped) => mapped,
            Self::Owned(owned) => owned,
        }
    }

    /// Gives back the memory of bytes that are not needed soon; they are read again from the file when
    /// they are touched. Does nothing for bytes held in memory.
    pub(crate) fn release(&self, bytes: Range<usize>) {
        if let Self::Mapped(mapped) = self {
            release(mapped, bytes);
        }
    }
}

/// Maps the whole file; pages are read when they are first touched.
///
/// The file must not be shortened while it is mapped: the operating system would end the process when
/// a lost page is touched. Everything this program writes is replaced by rename, which leaves the old
/// bytes mapped. For files that others may overwrite in place, read them into memory instead.
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened; [`Error::Malformed`] if it is empty.
fn map(path: &Path) -> Result<Mmap> {
    let file = fs_err::File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::malformed(path, "expected a file, found something else"));
    }
    if metadata.len() == 0 {
        let problem = "the file is empty (0 bytes); was it cut short? Fetch or export it again";
        return Err(Error::malformed(path, problem));
    }
    #[expect(unsafe_code, reason = "memory-mapping a file cannot be expressed in safe Rust")]
    // SAFETY: the mapping is only ever read, and every offset into it is checked against its length. A file changed in place by another process would change the bytes we see, which the
    // documentation above rules out; our own writers only ever rename a new file over an old one.
    let mapped = unsafe { Mmap::map(file.file()) };
    mapped.map_err(|source| {
        let message = format!("cannot map {} into memory: {source}", path.display());
        Error::Io(std::io::Error::new(source.kind(), message))
    })
}

/// Tells the operating system that `bytes` of the mapping are not needed soon: their pages stop counting
/// as this process's memory. They are read again from the file when they are touched. A hint: where it
/// is refused, nothing changes.
fn release(mapped: &Mmap, bytes: Range<usize>) {
    #[expect(
        unsafe_code,
        reason = "the advice is unsafe in general: it would discard unsaved writes"
    )]
    // SAFETY: the mapping is read-only and backed by a file, so that a discarded page comes back with
    // the same bytes.
    let advised = unsafe {
        mapped.unchecked_advise_range(UncheckedAdvice::DontNeed, bytes.start, bytes.len())
    };
    // Only memory is at stake: a system that knows no such advice keeps the pages.
    let _ = advised;
}
