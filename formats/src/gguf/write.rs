//! Writing a GGUF file: the head is laid out first, then the tensors' bytes are streamed, so that no
//! more than the caller's buffers is held in memory.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use super::header::{MOST_DIMENSIONS, alignment};
use super::metadata::Metadata;
use super::tensor_type::TensorType;
use crate::{Error, Result, whole};

pub(super) const MAGIC: &[u8; 4] = b"GGUF";
const VERSION: u32 = 3;
/// ggml refuses tensor names of so many bytes or more.
const NAME_LIMIT: usize = 64;

/// A tensor to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTensor {
    /// llama.cpp's name, e.g. `blk.0.attn_q.weight`.
    pub name: String,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// How the values will be stored.
    pub kind: TensorType,
}

/// Where everything of a file to be written goes.
pub struct GgufLayout {
    /// Everything before the tensors' bytes, padded.
    head: Vec<u8>,
    /// Bytes of each tensor, and of the padding behind it.
    sizes: Vec<(usize, usize)>,
}

impl GgufLayout {
    /// Lays out a file of version 3. `path` is used in messages only.
    ///
    /// # Errors
    /// [`Error::Malformed`] if two tensors have one name, a name is too long for ggml, or a shape does
    /// not fit its type.
    pub fn new(path: &Path, metadata: &Metadata, tensors: &[NewTensor]) -> Result<Self> {
        let alignment = alignment(metadata, path)?;
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend((tensors.len() as u64).to_le_bytes());
        head.extend((metadata.len() as u64).to_le_bytes());
        for (key, value) in metadata.iter() {
            put_string(key, &mut head);
            head.extend(value.value_type().id().to_le_bytes());
            value.put(&mut head);
        }
        let mut seen = HashSet::new();
        let mut sizes = Vec::with_capacity(tensors.len());
        let mut offset = 0_u64;
        for tensor in tensors {
            let bytes = check(tensor, &mut seen, path)?;
            put_record(tensor, offset, &mut head);
            let padding = bytes.next_multiple_of(alignment) - bytes;
            sizes.push((bytes, padding));
            offset += (bytes + padding) as u64;
        }
        head.resize(head.len().next_multiple_of(alignment), 0);
        Ok(Self { head, sizes })
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        let data = self.sizes.iter().map(|&(bytes, padding)| (bytes + padding) as u64);
        self.head.len() as u64 + data.sum::<u64>()
    }

    /// Bytes of the tensor at `index`.
    pub fn tensor_bytes(&self, index: usize) -> usize {
        self.sizes[index].0
    }

    /// Writes the file to `out`; `data` is called for each tensor in turn, with its place in the list,
    /// and must write exactly its bytes.
    ///
    /// # Errors
    /// What `out` or `data` returned; an [`io::Error`] if `data` wrote another number of bytes.
    pub fn write<E: From<io::Error>>(
        &self,
        out: &mut dyn Write,
        mut data: impl FnMut(usize, &mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        out.write_all(&self.head)?;
        for (index, &(bytes, padding)) in self.sizes.iter().enumerate() {
            let mut counted = Counted { out, written: 0 };
            data(index, &mut counted)?;
            if counted.written != bytes {
                let written = counted.written;
                let problem = format!("tensor {index} got {written} bytes, expected {bytes}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem).into());
            }
            out.write_all(&vec![0; padding])?;
        }
        Ok(())
    }
}

/// Writes a whole GGUF file to `path` through a temporary file and a rename; see [`GgufLayout::write`].
///
/// # Errors
/// As [`GgufLayout::new`] and [`GgufLayout::write`]; any file at `path` is then untouched.
pub fn write_gguf<E: From<Error> + From<io::Error>>(
    path: &Path,
    metadata: &Metadata,
    tensors: &[NewTensor],
    data: impl FnMut(usize, &mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let layout = GgufLayout::new(path, metadata, tensors)?;
    whole::stream_file(path, |out| layout.write(out, data))
}

/// The tensor's size in bytes, if it can be written at all.
fn check<'a>(tensor: &'a NewTensor, seen: &mut HashSet<&'a str>, path: &Path) -> Result<usize> {
    let NewTensor { name, shape, kind } = tensor;
    let refuse = |what: String| Err(Error::malformed(path, format!("tensor `{name}` {what}")));
    if name.len() >= NAME_LIMIT {
        return refuse(format!("has a name of {NAME_LIMIT} bytes or more, which ggml refuses"));
    }
    if !seen.insert(name) {
        return refuse("is given twice".to_owned());
    }
    if shape.len() > MOST_DIMENSIONS {
        return refuse(format!("has more than {MOST_DIMENSIONS} dimensions"));
    }
    match kind.bytes_for(shape) {
        Some(bytes) => Ok(bytes),
        None => refuse(format!("of shape {shape:?} cannot be stored as {kind}")),
    }
}

fn put_string(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_record(tensor: &NewTensor, offset: u64, out: &mut Vec<u8>) {
    put_string(&tensor.name, out);
    out.extend((tensor.shape.len() as u32).to_le_bytes());
    for &extent in tensor.shape.iter().rev() {
        out.extend((extent as u64).to_le_bytes());
    }
    out.extend(tensor.kind.id.to_le_bytes());
    out.extend(offset.to_le_bytes());
}

/// Counts what is written.
struct Counted<'a> {
    out: &'a mut dyn Write,
    written: usize,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.written += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
