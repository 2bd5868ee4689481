//! The records of a file of problems, one after the other: JSON lines, parquet or CSV on disk, JSON
//! lines within the program. Leaves out what a record means.

use std::io::{BufRead, Read};

use serde_json::Value;

use crate::Error;
use crate::home::Source;

/// Longest record; a competitive problem with all its tests is some hundred megabytes at most.
const MAX_RECORD: u64 = 1 << 30;

/// One record after the other.
pub(crate) type Records = Box<dyn Iterator<Item = Result<Value, Error>>>;

/// Opens a source by what its name ends with.
pub(crate) fn open(source: &Source) -> Result<Records, Error> {
    match source {
        Source::Bundled(name, bytes) => Ok(lines(*bytes, name.clone())),
        Source::File(path) => {
            let rows = formats::table::open(path)?;
            Ok(Box::new(rows.map(|row| Ok(row?.value))))
        }
    }
}

fn lines(mut input: impl BufRead + 'static, path: String) -> Records {
    let (mut record, mut done) = (0, false);
    Box::new(std::iter::from_fn(move || {
        while !done {
            record += 1;
            let mut line = Vec::new();
            match input.by_ref().take(MAX_RECORD).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    let value = serde_json::from_slice(&line).map_err(|error| Error::Problem {
                        path: path.clone(),
                        record,
                        reason: format!("it is no JSON ({error})"),
                    });
                    done = value.is_err();
                    return Some(value);
                }
                Err(error) => {
                    done = true;
                    return Some(Err(error.into()));
                }
            }
        }
        None
    }))
}
