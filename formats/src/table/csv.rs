//! CSV (RFC 4180) with a first line of names. Every value is a text: whether `007` is a number is for
//! those to say who know the column.

use std::io::BufRead;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::Row;
use crate::{Error, Result};

/// The records of `input`, which is the text of the file at `path`.
pub(super) fn rows(
    input: Box<dyn BufRead + Send>,
    delimiter: u8,
    path: &Path,
) -> Result<impl Iterator<Item = Result<Row>> + Send + use<>> {
    let path = path.to_owned();
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(input);
    let names = match reader.headers() {
        Ok(names) => names.clone(),
        Err(reason) => return Err(refuse(&path, 0, &reason)),
    };
    check(&names, &path)?;
    let mut number = 0;
    Ok(reader.into_records().map(move |record| {
        number += 1;
        let record = record.map_err(|reason| refuse(&path, number, &reason))?;
        let cells = names.iter().zip(&record);
        let fields = cells.map(|(name, text)| (name.to_owned(), Value::from(text)));
        Ok(Row { number, value: Value::Object(fields.collect::<Map<_, _>>()) })
    }))
}

/// Refuses names that would lose a column.
fn check(names: &StringRecord, path: &Path) -> Result<()> {
    if names.is_empty() {
        return Err(Error::malformed(path, "expected a first line with the columns' names"));
    }
    let twice =
        names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|n| n == *name));
    match twice {
        Some((_, name)) => {
            Err(Error::malformed(path, format!("two columns are named `{name}`; rename one")))
        }
        None => Ok(()),
    }
}

fn refuse(path: &Path, number: usize, reason: &csv::Error) -> Error {
    let place = if number == 0 { "the first line".to_owned() } else { format!("record {number}") };
    let problem = match reason.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} values, but {expected_len} columns are named")
        }
        csv::ErrorKind::Utf8 { err, .. } => format!("is not UTF-8 ({err})"),
        _ => format!("cannot be read ({reason})"),
    };
    Error::malformed(path, format!("{place} {problem}"))
}
