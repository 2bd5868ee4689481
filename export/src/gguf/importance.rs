//! llama.cpp's importance matrices (`imatrix`): for every column of a matrix the mean square of what was
//! multiplied with it. Reads the GGUF format and the `.dat` format before it
//! (llama.cpp's `common/imatrix-loader.cpp` and `load_imatrix` of llama-quantize).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formats::gguf::{GgufFile, Metadata, TensorType, Value};

use crate::{Error, Result};

pub(super) const SUMS: &str = ".in_sum2";
pub(super) const COUNTS: &str = ".counts";

/// An importance matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    path: PathBuf,
    /// llama.cpp's tensor name to one weight a column.
    columns: BTreeMap<String, Vec<f32>>,
    dataset: Option<String>,
    chunks: u32,
}

impl Importance {
    /// Reads an importance matrix in either format.
    ///
    /// # Errors
    /// A file that is neither, is cut short, or holds numbers that are not finite.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs_err::read(path)?;
        let read = if bytes.starts_with(b"GGUF") {
            from_gguf(&GgufFile::from_bytes(bytes, path)?)?
        } else {
            Legacy { bytes: &bytes, path }.read()?
        };
        for (name, columns) in &read.columns {
            if let Some(bad) = columns.iter().find(|value| !value.is_finite()) {
                let problem = format!("`{name}` holds {bad}; compute the importance matrix again");
                return Err(Error::refused(path, problem));
            }
        }
        Ok(read)
    }

    /// The weights of the tensor `name`, one a column; `None` where the file says nothing of it.
    ///
    /// # Errors
    /// Another number of columns, except for the embedding, whose rows are looked up.
    pub fn of(&self, name: &str, columns: usize) -> Result<Option<&[f32]>> {
        match self.columns.get(name) {
            Some(found) if found.len() == columns => Ok(Some(found)),
            Some(found) if name != "token_embd.weight" => {
                let problem = format!(
                    "`{name}` has {} columns, the model's has {columns}; use an importance matrix of \
                     this model",
                    found.len()
                );
                Err(Error::refused(&self.path, problem))
            }
            _ => Ok(None),
        }
    }

    /// Appends llama-quantize's keys; of the path, only the file's name.
    pub(super) fn describe(&self, metadata: &mut Metadata) {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        metadata.set("quantize.imatrix.file", Value::String(name));
        if let Some(dataset) = &self.dataset {
            metadata.set("quantize.imatrix.dataset", Value::String(dataset.clone()));
        }
        let entries = u32::try_from(self.columns.len()).unwrap_or(u32::MAX);
        metadata.set("quantize.imatrix.entries_count", Value::U32(entries));
        if self.chunks > 0 {
            metadata.set("quantize.imatrix.chunks_count", Value::U32(self.chunks));
        }
    }
}

fn from_gguf(file: &GgufFile) -> Result<Importance> {
    let path = file.path();
    let mut columns = BTreeMap::new();
    for tensor in file.tensors() {
        let Some(name) = tensor.name.strip_suffix(SUMS) else { continue };
        let Some(counts) = file.tensor(&format!("{name}{COUNTS}")) else {
            let problem = format!("`{name}` has sums but no counts; compute it again");
            return Err(Error::refused(path, problem));
        };
        if [tensor.kind, counts.kind] != [TensorType::F32; 2] {
            let problem = format!("the sums and counts of `{name}` must be F32");
            return Err(Error::refused(path, problem));
        }
        let sums = floats(file.tensor_bytes(tensor));
        let counts = floats(file.tensor_bytes(counts));
        let each = sums.len() / counts.len();
        // One count for every expert; a plain matrix has one in all.
        let means = sums.chunks(each.max(1)).zip(&counts).flat_map(|(sums, count)| {
            let count = count.round();
            sums.iter().map(move |sum| if count > 0.0 { sum / count } else { 1.0 })
        });
        columns.insert(name.to_owned(), means.collect());
    }
    if columns.is_empty() {
        let problem = "holds no importance matrix (tensors named *.in_sum2); expected llama-imatrix's \
                       output";
        return Err(Error::refused(path, problem));
    }
    let metadata = file.metadata();
    let datasets = metadata.strings("imatrix.datasets");
    Ok(Importance {
        path: path.to_owned(),
        columns,
        dataset: datasets.and_then(|names| names.first().cloned()),
        chunks: metadata
            .unsigned("imatrix.chunk_count")
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
    })
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

/// The `.dat` format: i32 entries, each i32 name length, name, i32 calls, i32 values, f32 values; then,
/// if there is more, i32 chunks, i32 name length, the data set's name.
struct Legacy<'a> {
    bytes: &'a [u8],
    path: &'a Path,
}

impl Legacy<'_> {
    fn read(mut self) -> Result<Importance> {
        let entries = self.count("the number of entries")?;
        if entries == 0 {
            return Err(self.problem("holds no entries"));
        }
        let mut columns = BTreeMap::new();
        for entry in 0..entries {
            let name = self.text(&format!("the name of entry {entry}"))?;
            let calls = self.count(&format!("the calls of `{name}`"))?;
            let values = self.count(&format!("the values of `{name}`"))?;
            let bytes = values.checked_mul(4).ok_or_else(|| self.problem("is cut short"))?;
            let sums = floats(self.take(bytes, &format!("the values of `{name}`"))?);
            let calls = if calls > 0 { calls as f32 } else { 1.0 };
            columns.insert(name, sums.iter().map(|sum| sum / calls).collect());
        }
        let path = self.path.to_owned();
        if self.bytes.is_empty() {
            return Ok(Importance { path, columns, dataset: None, chunks: 0 });
        }
        let chunks = u32::try_from(self.count("the number of chunks")?).unwrap_or(0);
        let dataset = (!self.bytes.is_empty()).then(|| self.text("the data set's name"));
        let dataset = dataset.transpose()?.filter(|name| !name.is_empty());
        Ok(Importance { path, columns, dataset, chunks })
    }

    fn take(&mut self, count: usize, what: &str) -> Result<&[u8]> {
        let Some((taken, rest)) = self.bytes.split_at_checked(count) else {
            let problem = format!(
                "is no importance matrix, or cut short: {what} needs {count} bytes, {} are left",
                self.bytes.len()
            );
            return Err(Error::refused(self.path, problem));
        };
        self.bytes = rest;
        Ok(taken)
    }

    fn count(&mut self, what: &str) -> Result<usize> {
        let bytes = self.take(4, what)?;
        let number = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        usize::try_from(number).map_err(|_| {
            let problem = format!("is no importance matrix: {what} would be {number}");
            Error::refused(self.path, problem)
        })
    }

    fn text(&mut self, what: &str) -> Result<String> {
        let length = self.count(what)?;
        let bytes = self.take(length, what)?;
        Ok(String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned())
    }

    fn problem(&self, problem: &str) -> Error {
        Error::refused(self.path, problem)
    }
}
