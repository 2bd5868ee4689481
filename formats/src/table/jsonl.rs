//! JSON lines: one object a line, blank lines passed over. Leaves out JSON that spans lines.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Row;
use crate::{Error, Result};

/// Longest line, in bytes: a competitive problem with all its tests is some hundred megabytes.
const MAX_LINE: u64 = 1 << 30;

/// The records of `input`, which is the text of the file at `path`.
pub(super) fn rows(
    input: Box<dyn BufRead + Send>,
    path: &Path,
) -> impl Iterator<Item = Result<Row>> + Send + use<> {
    Lines { input, path: path.to_owned(), number: 0, ended: false }
}

struct Lines {
    input: Box<dyn BufRead + Send>,
    path: PathBuf,
    number: usize,
    ended: bool,
}

impl Iterator for Lines {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let mut line = Vec::new();
            let read = self.input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            self.number += 1;
            match read {
                Ok(0) => return None,
                Ok(length) if length as u64 == MAX_LINE => {
                    self.ended = true;
                    return Some(
                        Err(self.refuse("is longer than 1 GiB; is it JSON lines at all?")),
                    );
                }
                Ok(_) => {}
                Err(reason) => {
                    self.ended = true;
                    return Some(Err(self.refuse(&format!("cannot be read ({reason})"))));
                }
            }
            let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
            if !text.is_empty() {
                return Some(self.parse(text));
            }
        }
        None
    }
}

impl Lines {
    fn parse(&self, text: &[u8]) -> Result<Row> {
        match serde_json::from_slice(text) {
            Ok(value @ Value::Object(_)) => Ok(Row { number: self.number, value }),
            Ok(_) => Err(self.refuse("is JSON, but not an object in braces")),
            Err(reason) => Err(self.refuse(&format!("is not JSON ({reason})"))),
        }
    }

    fn refuse(&self, problem: &str) -> Error {
        Error::malformed(&self.path, format!("line {} {problem}", self.number))
    }
}
