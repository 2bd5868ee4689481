//! The head of a GGUF file: parsed and checked against the file's length, so that every range it hands
//! out lies inside the file and overlaps none.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use super::cursor::Cursor;
use super::metadata::Metadata;
use super::tensor_type::TensorType;
use super::value::Value;
use super::{DEFAULT_ALIGNMENT, write};
use crate::{Error, Result};

/// The first version with 64-bit counts, and the present one.
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;
/// ggml's tensors have at most so many dimensions.
pub(super) const MOST_DIMENSIONS: usize = 4;
/// Bytes of the smallest metadata entry: key length, type and one byte.
const LEAST_ENTRY: usize = 8 + 4 + 1;
/// Bytes of the smallest tensor record: name length, dimensions, type and offset.
const LEAST_TENSOR: usize = 8 + 4 + 4 + 8;

/// A tensor of a GGUF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufTensor {
    /// llama.cpp's name, e.g. `blk.0.attn_q.weight`.
    pub name: String,
    /// Extents, outermost first: the reverse of the file's order.
    pub shape: Vec<usize>,
    /// How the values are stored.
    pub kind: TensorType,
    /// From the start of the file.
    pub(super) range: Range<usize>,
}

impl GgufTensor {
    /// Bytes of the tensor in the file.
    pub fn bytes(&self) -> usize {
        self.range.len()
    }
}

/// A checked head.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) alignment: usize,
    pub(super) metadata: Metadata,
    /// In the file's order.
    pub(super) tensors: Vec<GgufTensor>,
    pub(super) by_name: HashMap<String, usize>,
}

impl Header {
    /// Reads and checks the head of a whole file.
    pub(super) fn parse(file: &[u8], path: &Path) -> Result<Self> {
        let mut cursor = Cursor::new(file, path);
        let version = version(&mut cursor, path)?;
        cursor.what = "the number of tensors".to_owned();
        let tensor_count = cursor.count(LEAST_TENSOR)?;
        cursor.what = "the number of metadata entries".to_owned();
        let entry_count = cursor.count(LEAST_ENTRY)?;
        let metadata = metadata(&mut cursor, entry_count)?;
        let alignment = alignment(&metadata, path)?;
        let records: Vec<Record> = (0..tensor_count)
            .map(|index| Record::read(&mut cursor, index))
            .collect::<Result<_>>()?;
        // A file without tensors, such as a vocabulary, need not be padded.
        let data = cursor.position().next_multiple_of(alignment).min(file.len());
        let (tensors, by_name) = place(records, data..file.len(), alignment, path)?;
        Ok(Self { version, alignment, metadata, tensors, by_name })
    }
}

fn version(cursor: &mut Cursor<'_>, path: &Path) -> Result<u32> {
    let magic: [u8; 4] = cursor.bytes()?;
    if magic != *write::MAGIC {
        let found = magic.escape_ascii();
        let problem = format!("begins with `{found}`, expected `GGUF`; this is not a GGUF file");
        return Err(Error::malformed(path, problem));
    }
    let version = cursor.u32()?;
    if VERSIONS.contains(&version) {
        return Ok(version);
    }
    let advice = if version == 1 {
        "convert the model again with a llama.cpp of 2023-09 or later"
    } else if VERSIONS.contains(&version.swap_bytes()) {
        "the file is big-endian: convert the model again without --bigendian"
    } else {
        "versions 2 and 3 are read; convert the model again"
    };
    Err(Error::unsupported(path, format!("GGUF version {version}"), advice))
}

fn metadata(cursor: &mut Cursor<'_>, count: usize) -> Result<Metadata> {
    let mut entries = Vec::with_capacity(count);
    let mut seen = HashSet::with_capacity(count);
    for index in 0..count {
        cursor.what = format!("the key of metadata entry {index}");
        let key = cursor.string()?;
        cursor.what = format!("metadata entry {index} (`{}`)", brief(&key));
        if key.is_empty() {
            return Err(cursor.problem("has an empty key"));
        }
        if !seen.insert(key.clone()) {
            return Err(cursor.problem("is there twice"));
        }
        let kind = cursor.value_type()?;
        let value = Value::read(kind, cursor)?;
        entries.push((key, value));
    }
    Ok(Metadata::from_entries(entries))
}

/// The alignment that the metadata ask for: a power of two.
pub(super) fn alignment(metadata: &Metadata, path: &Path) -> Result<usize> {
    let alignment = match metadata.get("general.alignment") {
        None => return Ok(DEFAULT_ALIGNMENT),
        Some(Value::U32(alignment)) if alignment.is_power_of_two() => usize::try_from(*alignment),
        Some(other) => {
            let found = brief(&format!("{other:?}")).to_owned();
            let problem = format!("`general.alignment` must be a u32 power of two, found {found}");
            return Err(Error::malformed(path, problem));
        }
    };
    alignment.map_err(|_| Error::malformed(path, "`general.alignment` does not fit this machine"))
}

/// A tensor's record as it stands in the file, checked by itself.
struct Record {
    name: String,
    shape: Vec<usize>,
    kind: TensorType,
    bytes: usize,
    /// From the start of the data.
    offset: u64,
}

impl Record {
    fn read(cursor: &mut Cursor<'_>, index: usize) -> Result<Self> {
        cursor.what = format!("the name of tensor {index}");
        let name = cursor.string()?;
        cursor.what = format!("tensor {index} (`{}`)", brief(&name));
        if name.is_empty() {
            return Err(cursor.problem("has an empty name"));
        }
        let shape = shape(cursor)?;
        let id = cursor.u32()?;
        let Some(kind) = TensorType::from_id(id) else {
            return Err(cursor.problem(&format!("has the unknown ggml type {id}")));
        };
        let Some(bytes) = kind.bytes_for(&shape) else {
            let what = format!(
                "has shape {shape:?} of {kind}, which is no possible size: a row must be a multiple \
                 of {} values and the whole must fit the machine",
                kind.block_len
            );
            return Err(cursor.problem(&what));
        };
        Ok(Self { name, shape, kind, bytes, offset: cursor.u64()? })
    }
}

/// The extents, outermost first.
fn shape(cursor: &mut Cursor<'_>) -> Result<Vec<usize>> {
    let count = cursor.u32()?;
    let Some(count) = usize::try_from(count).ok().filter(|&count| count <= MOST_DIMENSIONS) else {
        let what = format!("has {count} dimensions, at most {MOST_DIMENSIONS} are possible");
        return Err(cursor.problem(&what));
    };
    let mut shape = Vec::with_capacity(count);
    for _ in 0..count {
        let extent = cursor.u64()?;
        match usize::try_from(extent) {
            Ok(extent) if extent > 0 && extent <= isize::MAX as usize => shape.push(extent),
            _ => return Err(cursor.problem(&format!("has an extent of {extent}"))),
        }
    }
    shape.reverse();
    Ok(shape)
}

type Placed = (Vec<GgufTensor>, HashMap<String, usize>);

/// Gives every tensor its range of the file; names must be unique and ranges apart.
fn place(
    records: Vec<Record>,
    data: Range<usize>,
    alignment: usize,
    path: &Path,
) -> Result<Placed> {
    let mut tensors = Vec::with_capacity(records.len());
    let mut by_name = HashMap::with_capacity(records.len());
    for record in records {
        let range = range(&record, &data, alignment, path)?;
        if by_name.insert(record.name.clone(), tensors.len()).is_some() {
            let problem = format!("tensor `{}` is there twice; the file is corrupt", record.name);
            return Err(Error::malformed(path, problem));
        }
        let Record { name, shape, kind, .. } = record;
        tensors.push(GgufTensor { name, shape, kind, range });
    }
    let mut by_place: Vec<&GgufTensor> = tensors.iter().collect();
    by_place.sort_by_key(|tensor| (tensor.range.start, tensor.range.end));
    for pair in by_place.windows(2) {
        if pair[1].range.start < pair[0].range.end {
            let problem = format!(
                "tensors `{}` and `{}` overlap; the file is corrupt",
                pair[0].name, pair[1].name
            );
            return Err(Error::malformed(path, problem));
        }
    }
    Ok((tensors, by_name))
}

fn range(
    record: &Record,
    data: &Range<usize>,
    alignment: usize,
    path: &Path,
) -> Result<Range<usize>> {
    let (name, offset, bytes) = (brief(&record.name), record.offset, record.bytes);
    let start = usize::try_from(offset).ok();
    if start.is_none_or(|start| !start.is_multiple_of(alignment)) {
        let problem = format!(
            "tensor `{name}` begins at byte {offset} of the data, expected a multiple of the \
             alignment {alignment}; the file is corrupt"
        );
        return Err(Error::malformed(path, problem));
    }
    let start = start.and_then(|start| data.start.checked_add(start));
    let end = start.and_then(|start| start.checked_add(bytes));
    match (start, end) {
        (Some(start), Some(end)) if end <= data.end => Ok(start..end),
        _ => {
            let problem = format!(
                "tensor `{name}` takes {bytes} bytes from byte {offset} of the data but the file holds \
                 {}; it is truncated: fetch or export it again",
                data.len()
            );
            Err(Error::malformed(path, problem))
        }
    }
}

/// A name from the file, cut to a length that fits a sentence.
fn brief(text: &str) -> &str {
    const LONGEST: usize = 80;
    text.char_indices().nth(LONGEST).map_or(text, |(cut, _)| &text[..cut])
}
