//! Writing a safetensors file whole, byte for byte as the reference implementation lays it out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::dtype::Dtype;
use crate::{Error, Result, whole};

/// A tensor to be written: name, element type, shape, row-major little-endian bytes.
pub type NamedTensor<'a> = (String, Dtype, Vec<usize>, Cow<'a, [u8]>);

/// Writes tensors to `path` through a temporary file and a rename.
///
/// Laid out as the reference implementation does: tensors by falling alignment of their type, then by
/// name; the header padded with spaces so that the data begin at a multiple of 8. With at most one
/// metadata entry the bytes equal those of Python's `safetensors`.
///
/// # Errors
/// [`Error::Malformed`] if a name comes twice, is `__metadata__`, or the bytes do not fit the shape;
/// [`Error::Io`] if the file cannot be written.
pub fn write_safetensors(
    path: &Path,
    tensors: &[NamedTensor<'_>],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let mut sorted: Vec<&NamedTensor<'_>> = tensors.iter().collect();
    sorted.sort_by(|(a_name, a, ..), (b_name, b, ..)| b.cmp(a).then_with(|| a_name.cmp(b_name)));
    let lengths = sorted.iter().map(|(name, dtype, shape, bytes)| Lengths {
        name,
        dtype: *dtype,
        shape,
        bytes: bytes.len(),
    });
    let header = header(lengths, metadata, path)?;
    whole::write_file_with(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        sorted.iter().try_for_each(|(_, _, _, bytes)| out.write_all(bytes))
    })
}

/// What a header says of a tensor.
#[derive(Clone, Copy)]
pub(super) struct Lengths<'a> {
    pub(super) name: &'a str,
    pub(super) dtype: Dtype,
    pub(super) shape: &'a [usize],
    pub(super) bytes: usize,
}

/// The header of a file that holds these tensors in this order, padded.
pub(super) fn header<'a>(
    tensors: impl Iterator<Item = Lengths<'a>>,
    metadata: &BTreeMap<String, String>,
    path: &Path,
) -> Result<Vec<u8>> {
    let mut object = Map::new();
    if !metadata.is_empty() {
        object.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut offset = 0;
    for Lengths { name, dtype, shape, bytes } in tensors {
        let refuse = |what: String| Err(Error::malformed(path, format!("tensor `{name}` {what}")));
        if dtype.bytes_for(shape) != Some(bytes) {
            return refuse(format!(
                "of shape {shape:?} and type {dtype} cannot have {bytes} bytes"
            ));
        }
        if name == "__metadata__" {
            return refuse("has a name that the format keeps for itself".to_owned());
        }
        let end = offset + bytes;
        let entry = json!({"dtype": dtype.name(), "shape": shape, "data_offsets": [offset, end]});
        if object.insert(name.to_owned(), entry).is_some() {
            return refuse("is given twice".to_owned());
        }
        offset = end;
    }
    let mut header = Value::Object(object).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}
