//! The lines of a file one by one, each with its place, in the memory of the longest. A last line
//! without its line break that is no JSON was cut off by a kill: it is left out and told.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err::File;

use super::Error;

/// A file being read line by line.
pub(crate) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    buffer: Vec<u8>,
    offset: u64,
    number: usize,
}

/// A line and where it is.
pub(crate) struct Line<'a> {
    /// Its bytes, without the line break.
    pub bytes: &'a [u8],
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Which line it is, from 1.
    pub number: usize,
    /// Whether it ends in a line break, as every line that was written whole does.
    pub whole: bool,
}

impl Lines {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = BufReader::with_capacity(1 << 18, File::open(path)?);
        Ok(Self { path: path.to_owned(), file, buffer: Vec::new(), offset: 0, number: 0 })
    }

    /// The next line that is not empty.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, Error> {
        loop {
            self.buffer.clear();
            let read = self.file.read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            let offset = self.offset;
            self.offset += read as u64;
            self.number += 1;
            if !self.buffer.trim_ascii().is_empty() {
                let whole = self.buffer.ends_with(b"\n");
                let bytes = self.buffer.trim_ascii();
                return Ok(Some(Line { bytes, offset, number: self.number, whole }));
            }
        }
    }

    /// What is wrong with line `number`.
    pub(crate) fn wrong(&self, number: usize, reason: impl Into<String>) -> Error {
        Error::Line { path: self.path.clone(), line: number, reason: reason.into() }
    }
}

/// Reads single lines by their place.
pub(crate) struct Places(File);

impl Places {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self(File::open(path)?))
    }

    /// The `length` bytes at `offset`.
    pub(crate) fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
