//! Files of records as data sets are kept: JSON lines (plain or gzipped), CSV, parquet. One entry,
//! [`open`], tells them apart and hands out one JSON object after the other, so that a file larger
//! than memory can be passed through. Leaves out writing, and what the fields mean.

mod csv;
mod jsonl;
mod parquet;
mod parquet_value;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use fs_err::File;
use serde_json::Value;

use crate::{Error, Result};

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its place from 1: the line of JSON lines, the record of the others.
    pub number: usize,
    /// A JSON object.
    pub value: Value,
}

/// The records of a file. After a record that cannot be read, JSON lines and CSV go on with the next.
pub struct Rows(Box<dyn Iterator<Item = Result<Row>> + Send>);

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rows")
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// How a file holds its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JSON object a line.
    JsonLines,
    /// RFC 4180 with a line of names; every value is a text.
    Csv,
    /// As [`Kind::Csv`], with tabs.
    Tsv,
    /// Apache Parquet.
    Parquet,
}

impl Kind {
    /// The kind of the file at `path`, and whether it is gzipped: by its first bytes, then by its
    /// name. `None` where neither tells.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read.
    pub fn of(path: &Path) -> Result<Option<(Self, bool)>> {
        let mut first = Vec::new();
        File::open(path)?.take(4).read_to_end(&mut first)?;
        let gzipped = first.starts_with(&[0x1f, 0x8b]);
        if first.starts_with(b"PAR1") || first.starts_with(b"PARE") {
            return Ok(Some((Self::Parquet, false)));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let name = if gzipped { name.trim_end_matches(".gz") } else { &name };
        let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("jsonl" | "ndjson" | "json") => Some(Self::JsonLines),
            Some("csv") => Some(Self::Csv),
            Some("tsv") => Some(Self::Tsv),
            Some("parquet") => Some(Self::Parquet),
            _ if first.starts_with(b"{") => Some(Self::JsonLines),
            _ => None,
        };
        Ok(kind.map(|kind| (kind, gzipped)))
    }
}

/// Opens a file of records.
///
/// # Errors
/// A file that cannot be read, is of no known kind, or contradicts its kind at once.
pub fn open(path: &Path) -> Result<Rows> {
    let Some((kind, gzipped)) = Kind::of(path)? else {
        let problem = "expected a file of records: .jsonl (also gzipped), .csv, .tsv or .parquet";
        return Err(Error::malformed(path, problem));
    };
    if kind == Kind::Parquet {
        return Ok(Rows(Box::new(parquet::open(path)?)));
    }
    let file = BufReader::new(File::open(path)?);
    let input: Box<dyn BufRead + Send> = match gzipped {
        true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        false => Box::new(file),
    };
    Ok(Rows(match kind {
        Kind::Csv => Box::new(csv::rows(input, b',', path)?),
        Kind::Tsv => Box::new(csv::rows(input, b'\t', path)?),
        Kind::JsonLines | Kind::Parquet => Box::new(jsonl::rows(input, path)),
    }))
}
