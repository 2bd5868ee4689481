//! Reading records one by one, so that a file larger than memory can be passed through: JSON lines
//! here, parquet, CSV and gzipped lines by `formats::table`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use formats::table::{self, Kind, Row, Rows};
use fs_err::File;
use serde_json::{Map, Value};

use super::{DatasetError, EncodeError, Record};

/// The records of a file with their line or record numbers.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    source: Source,
    number: usize,
}

#[derive(Debug)]
enum Source {
    Lines(BufReader<File>),
    Table(Rows),
}

/// Opens a file of records: JSONL (also gzipped), parquet or CSV. Blank lines of JSONL are passed over.
///
/// # Errors
/// [`DatasetError::Read`] when it cannot be opened, or is broken at once.
pub fn read_records(path: &Path) -> Result<Records, DatasetError> {
    let kind = Kind::of(path).map_err(|reason| refuse_file(path, reason))?;
    let source = match kind {
        Some((Kind::Parquet | Kind::Csv | Kind::Tsv, _) | (Kind::JsonLines, true)) => {
            Source::Table(table::open(path).map_err(|reason| refuse_file(path, reason))?)
        }
        Some((Kind::JsonLines, false)) | None => Source::Lines(BufReader::new(
            File::open(path)
                .map_err(|reason| DatasetError::Read { path: path.to_owned(), reason })?,
        )),
    };
    Ok(Records { path: path.to_owned(), source, number: 0 })
}

fn refuse_file(path: &Path, reason: formats::Error) -> DatasetError {
    let reason = match reason {
        formats::Error::Io(reason) => reason,
        other => std::io::Error::other(other),
    };
    DatasetError::Read { path: path.to_owned(), reason }
}

impl Iterator for Records {
    /// Line or record number (from 1) and record.
    type Item = Result<(usize, Record), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match &mut self.source {
            Source::Lines(reader) => match next_line(reader, &mut self.number) {
                Ok(text) => text?.and_then(|text| Record::parse(&text)),
                Err(reason) => {
                    return Some(Err(DatasetError::Read { path: self.path.clone(), reason }));
                }
            },
            Source::Table(rows) => match rows.next()? {
                Ok(Row { number, value }) => {
                    self.number = number;
                    from_row(value)
                }
                Err(reason) => return Some(Err(refuse_file(&self.path, reason))),
            },
        };
        Some(match record {
            Ok(record) => Ok((self.number, record)),
            Err(reason) => {
                Err(DatasetError::Line { path: self.path.clone(), line: self.number, reason })
            }
        })
    }
}

/// The next line that is not blank; `None` at the end.
fn next_line(
    reader: &mut BufReader<File>,
    number: &mut usize,
) -> std::io::Result<Option<Result<String, EncodeError>>> {
    loop {
        let mut bytes = Vec::new();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        *number += 1;
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let text = text.trim_start_matches('\u{feff}').trim();
                if !text.is_empty() {
                    return Ok(Some(Ok(text.to_owned())));
                }
            }
            Err(error) => {
                let at = error.valid_up_to();
                let reason = format!("not UTF-8 from byte {at} of the line on");
                return Ok(Some(Err(EncodeError::Record(reason))));
            }
        }
    }
}

/// A record of a table. A conversation in a cell of text is JSON.
fn from_row(value: Value) -> Result<Record, EncodeError> {
    let mut fields: Map<String, Value> = match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for name in ["messages", "conversations"] {
        if let Some(Value::String(text)) = fields.get(name) {
            let list = serde_json::from_str(text).map_err(|error| {
                EncodeError::Record(format!("`{name}` is a text that is not JSON: {error}"))
            })?;
            fields.insert(name.to_owned(), list);
        }
    }
    Record::from_fields(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs_err::write(&path, bytes).unwrap();
        let records = read_records(&path).unwrap();
        records
            .map(|record| match record {
                Ok((number, record)) => format!("{number} {record:?}"),
                Err(error) => error.to_string().rsplit('/').next().unwrap_or_default().to_owned(),
            })
            .collect()
    }

    #[test]
    fn csv_gives_the_records_that_lines_give() {
        let lines = br#"{"prompt": "1 + 1", "completion": "2"}"#;
        let csv = b"prompt,completion,score\n1 + 1,2,0.5\n";
        assert_eq!(read("x.csv", csv), read("x.jsonl", lines));
        let lines = br#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#;
        let csv = b"messages\n\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"a\"\"}, {\"\"role\"\": \"\"assistant\"\", \"\"content\"\": \"\"b\"\"}]\"\n";
        assert_eq!(read("x.csv", csv), read("x.jsonl", lines));
    }

    #[test]
    fn bad_records_are_named_by_their_place() {
        assert_eq!(read("x.csv", b"messages\nhello\n").len(), 1);
        let says = &read("x.csv", b"text\nfine\n\"not\"\n")[..];
        assert!(says[0].starts_with("1 Text(") && says[1].starts_with("2 Text("), "{says:?}");
        let says = read("x.csv", b"messages\nhello\n");
        assert!(says[0].starts_with("x.csv:1: `messages` is a text that is not JSON"), "{says:?}");
        let says = read("x.csv", b"text,more\nfine\n");
        assert!(says[0].contains("record 1 has 1 values, but 2 columns are named"), "{says:?}");
    }
}
