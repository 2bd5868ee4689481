//! One safetensors file, mapped or in memory, every offset checked when it is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::header::Header;
use super::view::TensorView;
use crate::mapped::Bytes;
use crate::{Error, Result};

/// An open safetensors file. Cheap to query from any thread.
pub struct SafetensorsFile {
    path: PathBuf,
    bytes: Bytes,
    header: Header,
}

impl SafetensorsFile {
    /// Maps a file and checks its header. The tensors' bytes are not read yet. The file must not be
    /// shortened while it is open; where others may overwrite it in place, use [`Self::read`].
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Malformed`] if the header is wrong in any way.
    pub fn open(path: &Path) -> Result<Self> {
        Self::check(path, Bytes::map(path)?)
    }

    /// Reads the whole file into memory and checks its header: right for small files that may be
    /// overwritten in place, such as adapters.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_bytes(fs_err::read(path)?, path)
    }

    /// Checks a file that is in memory already; `path` is used in messages only.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the header is wrong in any way.
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

    /// The whole file, header included.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.header.tensors.keys().map(String::as_str)
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.header.tensors.len()
    }

    /// Whether there is no tensor at all.
    pub fn is_empty(&self) -> bool {
        self.header.tensors.is_empty()
    }

    /// The free-form `__metadata__` of the file.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.header.metadata
    }

    /// A tensor by its full name.
    pub fn get(&self, name: &str) -> Option<TensorView<'_>> {
        let (name, entry) = self.header.tensors.get_key_value(name)?;
        Some(TensorView {
            name,
            dtype: entry.dtype,
            shape: &entry.shape,
            bytes: &self.bytes.as_slice()[entry.range.clone()],
            path: &self.path,
        })
    }

    /// Every tensor, by name.
    pub fn tensors(&self) -> impl Iterator<Item = TensorView<'_>> {
        self.names().filter_map(|name| self.get(name))
    }

    /// Gives back the memory of a tensor that was read and is not needed soon; it is read again from
    /// the file when it is used again. Does nothing for a file held in memory, or without such tensor.
    pub fn release(&self, name: &str) {
        if let Some(entry) = self.header.tensors.get(name) {
            self.bytes.release(entry.range.clone());
        }
    }

    /// A tensor that must be there with this shape.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::WrongShape`].
    pub fn require(&self, name: &str, shape: &[usize]) -> Result<TensorView<'_>> {
        let Some(tensor) = self.get(name) else {
            return Err(Error::MissingTensor { path: self.path.clone(), name: name.to_owned() });
        };
        tensor.expect_shape(shape)
    }
}
