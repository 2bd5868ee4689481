//! Reading JSONL line by line, so that a file larger than memory can be passed through.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use fs_err::File;

use super::{DatasetError, EncodeError, Record};

/// The records of a file with their line numbers.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    number: usize,
}

/// Opens a JSONL file. Blank lines are passed over.
///
/// # Errors
/// [`DatasetError::Read`] when it cannot be opened.
pub fn read_jsonl(path: &Path) -> Result<Lines, DatasetError> {
    let file =
        File::open(path).map_err(|reason| DatasetError::Read { path: path.to_owned(), reason })?;
    Ok(Lines { path: path.to_owned(), reader: BufReader::new(file), number: 0 })
}

impl Iterator for Lines {
    /// Line number (from 1) and record.
    type Item = Result<(usize, Record), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut bytes = Vec::new();
            match self.reader.read_until(b'\n', &mut bytes) {
                Ok(0) => return None,
                Ok(_) => self.number += 1,
                Err(reason) => {
                    return Some(Err(DatasetError::Read { path: self.path.clone(), reason }));
                }
            }
            let text = match std::str::from_utf8(&bytes) {
                Ok(text) => text.trim_start_matches('\u{feff}').trim(),
                Err(error) => {
                    let reason =
                        format!("not UTF-8 from byte {} of the line on", error.valid_up_to());
                    return Some(Err(self.refuse(EncodeError::Record(reason))));
                }
            };
            if !text.is_empty() {
                let record = Record::parse(text).map_err(|reason| self.refuse(reason));
                return Some(record.map(|record| (self.number, record)));
            }
        }
    }
}

impl Lines {
    fn refuse(&self, reason: EncodeError) -> DatasetError {
        DatasetError::Line { path: self.path.clone(), line: self.number, reason }
    }
}
