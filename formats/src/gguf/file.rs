//! One GGUF file, mapped or in memory, every offset checked when it is opened.

use std::path::{Path, PathBuf};

use super::header::{GgufTensor, Header};
use super::metadata::Metadata;
use crate::mapped::Bytes;
use crate::{Error, Result};

/// An open GGUF file. Cheap to query from any thread.
pub struct GgufFile {
    path: PathBuf,
    bytes: Bytes,
    header: Header,
}

impl GgufFile {
    /// Maps a file and checks its head. The tensors' bytes are not read yet. The file must not be
    /// shortened while it is open.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Malformed`] or [`Error::Unsupported`] if its head
    /// is wrong in any way.
    pub fn open(path: &Path) -> Result<Self> {
        Self::check(path, Bytes::map(path)?)
    }

    /// Checks a file that is in memory already; `path` is used in messages only.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        Self::check(path, Bytes::Owned(bytes))
    }

    fn check(path: &Path, bytes: Bytes) -> Result<Self> {
        let header = Header::parse(bytes.as_slice(), path)?;
        Ok(Self { path: path.to_owned(), bytes, header })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The container's version: 2 or 3.
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// What every tensor's offset is a multiple of.
    pub fn alignment(&self) -> usize {
        self.header.alignment
    }

    /// The metadata, in the file's order.
    pub fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// The tensors, in the file's order.
    pub fn tensors(&self) -> &[GgufTensor] {
        &self.header.tensors
    }

    /// A tensor by its name.
    pub fn tensor(&self, name: &str) -> Option<&GgufTensor> {
        self.header.by_name.get(name).map(|&index| &self.header.tensors[index])
    }

    /// A tensor that must be there with this shape, outermost extent first.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::WrongShape`].
    pub fn require(&self, name: &str, shape: &[usize]) -> Result<&GgufTensor> {
        let (path, name) = (self.path.clone(), name.to_owned());
        match self.tensor(&name) {
            None => Err(Error::MissingTensor { path, name }),
            Some(tensor) if tensor.shape == shape => Ok(tensor),
            Some(tensor) => {
                let (expected, found) = (shape.to_owned(), tensor.shape.clone());
                Err(Error::WrongShape { path, name, expected, found })
            }
        }
    }

    /// The bytes of a tensor of this file.
    ///
    /// # Panics
    /// If the tensor is another file's and lies beyond the end of this one.
    pub fn tensor_bytes(&self, tensor: &GgufTensor) -> &[u8] {
        &self.bytes.as_slice()[tensor.range.clone()]
    }

    /// Everything before the tensors' bytes: metadata, tokenizer and template with it, and what tensors
    /// there are.
    pub fn head(&self) -> &[u8] {
        let bytes = self.bytes.as_slice();
        let first = self.header.tensors.iter().map(|tensor| tensor.range.start).min();
        &bytes[..first.unwrap_or(bytes.len())]
    }

    /// Gives back the memory of a tensor that is not needed soon: its pages are read again from the file
    /// when they are touched.
    pub fn release(&self, tensor: &GgufTensor) {
        self.bytes.release(tensor.range.clone());
    }
}
