//! The header of a safetensors file: parsed and checked against the file's length, so that every
//! range it hands out lies inside the file, overlaps none and leaves none unnamed.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::dtype::Dtype;
use crate::{Error, Result};

/// The reference implementation's limit on the header, against files made to exhaust memory.
const LONGEST_HEADER: u64 = 100_000_000;
/// Bytes before the header: its length.
const LENGTH_BYTES: usize = 8;

/// Where one tensor lies and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// From the start of the file.
    pub(super) range: Range<usize>,
}

/// A checked header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) tensors: BTreeMap<String, Entry>,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Header {
    /// Reads and checks the header of a whole file.
    pub(super) fn parse(file: &[u8], path: &Path) -> Result<Self> {
        let json = header_bytes(file, path)?;
        let start = LENGTH_BYTES + json.len();
        let raw = RawHeader::parse(json, path)?;
        let mut spans = Vec::with_capacity(raw.tensors.len());
        let mut tensors = BTreeMap::new();
        for (name, tensor) in raw.tensors {
            let entry = entry(&name, tensor, start, file.len(), path)?;
            spans.push((entry.range.clone(), name.clone()));
            if tensors.insert(name.clone(), entry).is_some() {
                let problem = format!("tensor `{name}` is listed twice; the file is corrupt");
                return Err(Error::malformed(path, problem));
            }
        }
        check_contiguous(spans, start, file.len(), path)?;
        Ok(Self { tensors, metadata: raw.metadata })
    }
}

/// The JSON part, its length checked against the file's.
fn header_bytes<'a>(file: &'a [u8], path: &Path) -> Result<&'a [u8]> {
    let Some((length, rest)) = file.split_first_chunk::<LENGTH_BYTES>() else {
        let problem = format!(
            "truncated: {} bytes, too short for a safetensors file; fetch or export it again",
            file.len()
        );
        return Err(Error::malformed(path, problem));
    };
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER {
        let problem = format!(
            "the header claims {length} bytes, more than the format's {LONGEST_HEADER}; this is not \
             a safetensors file"
        );
        return Err(Error::malformed(path, problem));
    }
    let json = usize::try_from(length).ok().and_then(|length| rest.get(..length));
    let Some(json) = json else {
        let problem = format!(
            "truncated: the header claims {length} bytes but only {} follow; fetch or export the file \
             again",
            rest.len()
        );
        return Err(Error::malformed(path, problem));
    };
    if json.first() != Some(&b'{') {
        let problem = "the header does not begin with `{`; this is not a safetensors file";
        return Err(Error::malformed(path, problem));
    }
    Ok(json)
}

/// Checks one tensor by itself.
fn entry(name: &str, raw: RawTensor, start: usize, length: usize, path: &Path) -> Result<Entry> {
    let problem = |what: String| Error::malformed(path, format!("tensor `{name}` {what}"));
    let Some(dtype) = Dtype::from_name(&raw.dtype) else {
        let brief: String = raw.dtype.chars().take(40).collect();
        return Err(problem(format!("has the unknown element type `{brief}`")));
    };
    let (from, to) = raw.data_offsets;
    let needed = dtype.bytes_for(&raw.shape).ok_or_else(|| {
        problem(format!("has shape {:?} of {dtype}, which is no possible size", raw.shape))
    })?;
    let data = length - start;
    if to > data {
        let what = format!(
            "ends at byte {to} of the data but the file holds {data}; it is truncated: fetch or \
             export it again"
        );
        return Err(problem(what));
    }
    if to.checked_sub(from) != Some(needed) {
        let what = format!(
            "of shape {:?} and type {dtype} needs {needed} bytes but its offsets are {from}..{to}; \
             the file is corrupt",
            raw.shape
        );
        return Err(problem(what));
    }
    Ok(Entry { dtype, shape: raw.shape, range: start + from..start + to })
}

/// The tensors must fill the data exactly: no overlap, no hole, nothing behind the last.
fn check_contiguous(
    mut spans: Vec<(Range<usize>, String)>,
    start: usize,
    length: usize,
    path: &Path,
) -> Result<()> {
    spans.sort_by_key(|(range, _)| (range.start, range.end));
    let mut expected = start;
    for (range, name) in &spans {
        if range.start != expected {
            let kind = if range.start < expected {
                "overlaps the tensor before it"
            } else {
                "leaves a hole before it"
            };
            let problem = format!(
                "tensor `{name}` {kind}: it begins at byte {} of the data, expected {}; the file is \
                 corrupt",
                range.start - start,
                expected - start
            );
            return Err(Error::malformed(path, problem));
        }
        expected = range.end;
    }
    if expected != length {
        let problem = format!(
            "the tensors end at byte {} of the data but {} are there; the file is corrupt",
            expected - start,
            length - start
        );
        return Err(Error::malformed(path, problem));
    }
    Ok(())
}

/// The header as JSON spells it, in file order and with repeated names kept.
struct RawHeader {
    tensors: Vec<(String, RawTensor)>,
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawTensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl RawHeader {
    fn parse(json: &[u8], path: &Path) -> Result<Self> {
        let text = str::from_utf8(json).map_err(|error| {
            let problem = format!("the header is not UTF-8 ({error}); the file is corrupt");
            Error::malformed(path, problem)
        })?;
        serde_json::from_str(text).map_err(|error| {
            let problem = format!("the header cannot be read ({error}); the file is corrupt");
            Error::malformed(path, problem)
        })
    }
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
        let mut header = RawHeader { tensors: Vec::new(), metadata: BTreeMap::new() };
        let mut metadata_seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                if !metadata_seen.insert(name) {
                    return Err(serde::de::Error::custom("`__metadata__` is there twice"));
                }
                header.metadata = map.next_value()?;
            } else {
                header.tensors.push((name, map.next_value()?));
            }
        }
        Ok(header)
    }
}
