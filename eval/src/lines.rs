//! The lines of `samples.jsonl`, one at a time in the memory of the longest. A last line without its
//! line break was cut off by a kill: it is not a line.

use std::io::{BufRead, BufReader};
use std::path::Path;

use fs_err::File;

use crate::Error;

/// Hands each whole line (with its line break) to `see`; returns where the last of them ends, in bytes.
///
/// # Errors
/// When the file cannot be read, or `see` says in a sentence what is wrong with a line.
pub(crate) fn each(
    path: &Path,
    mut see: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<u64, Error> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
    let (mut line, mut end, mut number) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Ok(end);
        }
        number += 1;
        end += read as u64;
        see(&line).map_err(|reason| Error::Folder {
            path: path.to_owned(),
            reason: format!("line {number} is no sample: {reason}"),
        })?;
    }
}
