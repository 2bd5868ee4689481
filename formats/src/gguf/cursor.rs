//! Reading a GGUF header from its bytes: every length is held against what is left before anything is
//! allocated. It knows no key and no tensor.

use std::path::Path;

use super::value::ValueType;
use crate::{Error, Result};

/// A place in the file's bytes, and what is being read there, for messages.
pub(super) struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
    path: &'a Path,
    /// For instance ``metadata entry 3 (`general.name`)``.
    pub(super) what: String,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(file: &'a [u8], path: &'a Path) -> Self {
        Self { file, at: 0, path, what: "the head of the file".to_owned() }
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn left(&self) -> usize {
        self.file.len() - self.at
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let end = usize::try_from(count).ok().and_then(|count| self.at.checked_add(count));
        let Some(bytes) = end.and_then(|end| self.file.get(self.at..end)) else {
            let (what, left) = (&self.what, self.left());
            let problem = format!(
                "truncated or corrupt: {what} needs {count} more bytes at byte {} but {left} are \
                 left; fetch or export the file again",
                self.at
            );
            return Err(Error::malformed(self.path, problem));
        };
        self.at += bytes.len();
        Ok(bytes)
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N as u64)?);
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A number of things that take at least `least` bytes each: no more than can still follow.
    pub(super) fn count(&mut self, least: usize) -> Result<usize> {
        let count = self.u64()?;
        let most = self.left() / least;
        match usize::try_from(count) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(self.problem(&format!(
                "claims {count} items, but the rest of the file has room for {most} at most"
            ))),
        }
    }

    pub(super) fn string(&mut self) -> Result<String> {
        let length = self.u64()?;
        let bytes = self.take(length)?;
        match str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(self.problem(&format!("holds a string that is not UTF-8 ({error})"))),
        }
    }

    pub(super) fn value_type(&mut self) -> Result<ValueType> {
        let id = self.u32()?;
        ValueType::from_id(id).ok_or_else(|| {
            self.problem(&format!("has the unknown value type {id}, expected 0 to 12"))
        })
    }

    /// An error about what is being read.
    pub(super) fn problem(&self, problem: &str) -> Error {
        let what = &self.what;
        Error::malformed(self.path, format!("{what} {problem}; the file is corrupt"))
    }
}
