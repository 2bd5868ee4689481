//! The lines of an evaluation's files, one at a time with their places, in the memory of the longest.
//! One rule for everyone who reads them: blank lines are none, and a last line without its line break
//! was cut off by a kill and is none either.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err::File;

use crate::Unreadable;

/// A file being read line by line.
pub(crate) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    buffer: Vec<u8>,
    number: usize,
    /// Where the last whole line ends, in bytes.
    end: u64,
    is_torn: bool,
}

/// A line and where it is.
pub(crate) struct Line<'a> {
    /// Its bytes, without the line break.
    pub(crate) bytes: &'a [u8],
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// Which line it is, from 1.
    pub(crate) number: usize,
}

impl Lines {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Unreadable> {
        let file = BufReader::with_capacity(1 << 18, File::open(path)?);
        let path = path.to_owned();
        Ok(Self { path, file, buffer: Vec::new(), number: 0, end: 0, is_torn: false })
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, Unreadable> {
        loop {
            self.buffer.clear();
            let read = self.file.read_until(b'\n', &mut self.buffer)?;
            if !self.buffer.ends_with(b"\n") {
                self.is_torn |= read > 0;
                return Ok(None);
            }
            let offset = self.end;
            self.end += read as u64;
            self.number += 1;
            if !self.buffer.trim_ascii().is_empty() {
                // A carriage return or a blank at the end is none of JSON's business.
                let bytes = self.buffer.trim_ascii_end();
                return Ok(Some(Line { bytes, offset, number: self.number }));
            }
        }
    }

    /// Hands every line to `see`, which says in a sentence what is wrong with one.
    pub(crate) fn each(
        &mut self,
        mut see: impl FnMut(Line<'_>) -> Result<(), String>,
    ) -> Result<(), Unreadable> {
        while let Some(line) = self.next()? {
            let number = line.number;
            see(line).map_err(|reason| self.wrong(number, reason))?;
        }
        Ok(())
    }

    /// Where the last whole line that was read ends, in bytes.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Whether, all lines read, there was the beginning of one more.
    pub(crate) fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// What is wrong with line `number`.
    pub(crate) fn wrong(&self, number: usize, reason: impl Into<String>) -> Unreadable {
        Unreadable::Line { path: self.path.clone(), line: number, reason: reason.into() }
    }
}

/// Reads single lines by their place.
pub(crate) struct Places(File);

impl Places {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(File::open(path)?))
    }

    /// The `length` bytes at `offset`.
    pub(crate) fn read(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_and_the_beginning_of_a_line_are_no_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), "one\n\n \r\ntwo \r\n{\"cut\": 1}").unwrap();
        let mut lines = Lines::open(file.path()).unwrap();
        let mut seen = Vec::new();
        lines
            .each(|line| {
                seen.push((line.number, line.offset, line.bytes.to_vec()));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [(1, 0, b"one".to_vec()), (4, 8, b"two".to_vec())]);
        assert_eq!((lines.end(), lines.is_torn()), (14, true));
        let mut places = Places::open(file.path()).unwrap();
        assert_eq!(places.read(8, 3).unwrap(), b"two");
        let mut lines = Lines::open(file.path()).unwrap();
        let said = lines.each(|_| Err("no good".to_owned())).unwrap_err().to_string();
        assert!(said.ends_with(", line 1: no good"), "{said}");
    }
}
