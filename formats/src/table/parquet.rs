//! Parquet, one row group in memory at a time. Leaves out encryption and writing.
//!
//! The decoder is the `parquet` crate's, which trusts what a file says of itself more than it should:
//! what can be checked beforehand is, and a panic of it becomes a sentence.

use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fs_err::File;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;

use super::parquet_value::object;
use super::{Row, parquet_value};
use crate::{Error, Result};

/// Largest row group that is read, in bytes once unpacked.
const MAX_ROW_GROUP: i64 = 16 << 30;

/// The records of a parquet file.
pub(super) struct ParquetRows {
    path: PathBuf,
    rows: Option<RowIter<'static>>,
    /// Columns of nanoseconds.
    nanoseconds: Vec<String>,
    number: usize,
}

/// Opens a parquet file.
pub(super) fn open(path: &Path) -> Result<ParquetRows> {
    let mut file = File::open(path)?;
    refuse_cut(&mut file, path)?;
    let (file, _) = file.into_parts();
    let reader = guarded(path, || SerializedFileReader::new(file))?;
    let reader = reader.map_err(|reason| broken(path, &reason.to_string()))?;
    check(&reader, path)?;
    let columns = reader.metadata().file_metadata().schema_descr().columns().iter();
    let nanoseconds = columns.filter_map(|column| parquet_value::nanoseconds(column)).collect();
    let rows = guarded(path, || RowIter::from_file_into(Box::new(reader)))?;
    Ok(ParquetRows { path: path.to_owned(), rows: Some(rows), nanoseconds, number: 0 })
}

impl Iterator for ParquetRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        let next = match guarded(&self.path, || rows.next()) {
            Ok(None) => return None,
            Ok(Some(Ok(row))) => object(row, &self.nanoseconds),
            Ok(Some(Err(reason))) => Err(reason.to_string()),
            Err(error) => {
                self.rows = None;
                return Some(Err(error));
            }
        };
        self.number += 1;
        let number = self.number;
        Some(next.map(|value| Row { number, value }).map_err(|reason| {
            self.rows = None;
            broken(&self.path, &format!("record {number}: {reason}"))
        }))
    }
}

/// Runs a piece of the decoder.
fn guarded<T>(path: &Path, work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| broken(path, "the decoder gave up"))
}

fn broken(path: &Path, reason: &str) -> Error {
    Error::malformed(path, format!("not a sound parquet file ({reason}); fetch it again"))
}

/// Refuses a file that lacks its first or last bytes.
fn refuse_cut(file: &mut File, path: &Path) -> Result<()> {
    let length = file.metadata()?.len();
    let (mut first, mut last) = ([0; 4], [0; 4]);
    if length < 12 {
        return Err(broken(path, &format!("it has {length} bytes")));
    }
    file.read_exact(&mut first)?;
    file.seek(SeekFrom::End(-4))?;
    file.read_exact(&mut last)?;
    file.rewind()?;
    match (&first, &last) {
        (b"PARE", _) | (_, b"PARE") => {
            Err(Error::unsupported(path, "encrypted parquet", "save it without encryption"))
        }
        (b"PAR1", b"PAR1") => Ok(()),
        (b"PAR1", _) => Err(broken(path, "it does not end in PAR1: it was cut short")),
        _ => Err(broken(path, "it does not begin with PAR1")),
    }
}

/// Checks what the file says of itself against itself.
fn check(reader: &impl FileReader, path: &Path) -> Result<()> {
    let metadata = reader.metadata();
    let schema = metadata.file_metadata().schema_descr();
    if schema.num_columns() == 0 {
        return Err(broken(path, "it has no columns"));
    }
    for column in schema.columns() {
        if let Err(kind) = parquet_value::supported(column) {
            let feature = format!("column `{}` of type {kind}", column.path().string());
            let advice = "save it as text or numbers";
            return Err(Error::unsupported(path, feature, advice));
        }
    }
    let length = fs_err::metadata(path)?.len();
    for group in metadata.row_groups() {
        check_group(group, length).map_err(|reason| broken(path, &reason))?;
    }
    Ok(())
}

fn check_group(group: &RowGroupMetaData, length: u64) -> Result<(), String> {
    let rows = group.num_rows();
    if rows < 0 || group.total_byte_size() > MAX_ROW_GROUP {
        let size = group.total_byte_size();
        return Err(format!("a row group says that it has {rows} rows of {size} bytes"));
    }
    for column in group.columns() {
        let name = column.column_path().string();
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let inside = u64::try_from(start).ok().zip(u64::try_from(column.compressed_size()).ok());
        let inside = inside.and_then(|(start, size)| start.checked_add(size));
        if inside.is_none_or(|end| end > length) {
            return Err(format!("column `{name}` lies outside the file"));
        }
        if column.num_values() < rows {
            let values = column.num_values();
            return Err(format!("column `{name}` has {values} values for {rows} rows"));
        }
    }
    Ok(())
}
