//! Writing a checkpoint whose values come a few rows at a time, from any thread: headers and index are
//! written first, since they depend on names and shapes alone. Named as Hugging Face names shards.
//!
//! It writes in place: use it in a folder that [`crate::whole::write_dir`] moves where it belongs.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use fs_err::File;
use serde_json::{Map, Value, json};

use super::dtype::Dtype;
use super::write::{Lengths, header};
use crate::{Error, Result};

/// A tensor whose values are still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPlan {
    /// Full name.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
}

/// A checkpoint that is being written.
pub struct CheckpointWriter {
    files: Vec<(PathBuf, File)>,
    /// Of each tensor: its file, where it begins there, and its bytes.
    places: HashMap<String, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    file: usize,
    start: u64,
    bytes: u64,
}

impl CheckpointWriter {
    /// Lays the tensors, in their order, into files of at most `max_shard_bytes` in the folder `dir`: one
    /// `model.safetensors`, or `model-0000i-of-0000n.safetensors` with their index. A tensor that is
    /// larger has a file of its own.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a name that comes twice or a shape that has no size in bytes;
    /// [`Error::Io`] if a file cannot be made.
    pub fn create(
        dir: &Path,
        tensors: &[TensorPlan],
        max_shard_bytes: u64,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let shards = split(tensors, max_shard_bytes, dir)?;
        let names: Vec<String> = (1..=shards.len()).map(|i| file_name(i, shards.len())).collect();
        let mut writer = Self { files: Vec::new(), places: HashMap::new() };
        for (name, shard) in names.iter().zip(&shards) {
            writer.add_file(&dir.join(name), shard, metadata)?;
        }
        if names.len() > 1 {
            let total: u64 = writer.places.values().map(|place| place.bytes).sum();
            write_index(dir, &names, &shards, total)?;
        }
        Ok(writer)
    }

    /// Lays the tensors into the one file `path`.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_file(
        path: &Path,
        tensors: &[TensorPlan],
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let mut writer = Self { files: Vec::new(), places: HashMap::new() };
        writer.add_file(path, tensors, metadata)?;
        Ok(writer)
    }

    fn add_file(
        &mut self,
        path: &Path,
        tensors: &[TensorPlan],
        metadata: &BTreeMap<String, String>,
    ) -> Result<()> {
        let mut sorted: Vec<&TensorPlan> = tensors.iter().collect();
        sorted.sort_by(|a, b| b.dtype.cmp(&a.dtype).then_with(|| a.name.cmp(&b.name)));
        let lengths = sorted.iter().map(|tensor| Lengths {
            name: &tensor.name,
            dtype: tensor.dtype,
            shape: &tensor.shape,
            bytes: tensor.dtype.bytes_for(&tensor.shape).unwrap_or(0),
        });
        let header = header(lengths.clone(), metadata, path)?;
        let file = File::create(path)?;
        let about = |source| cannot_write(path, &source);
        file.file().write_all_at(&(header.len() as u64).to_le_bytes(), 0).map_err(about)?;
        file.file().write_all_at(&header, 8).map_err(about)?;
        let mut start = 8 + header.len() as u64;
        for tensor in lengths {
            let place = Place { file: self.files.len(), start, bytes: tensor.bytes as u64 };
            if self.places.insert(tensor.name.to_owned(), place).is_some() {
                let problem = format!("tensor `{}` is given twice", tensor.name);
                return Err(Error::malformed(path, problem));
            }
            start += place.bytes;
        }
        self.files.push((path.to_owned(), file));
        Ok(())
    }

    /// Writes some of a tensor's bytes, `offset` from its first. May be called from many threads.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be written, for instance because the disk is full;
    /// [`Error::MissingTensor`] for a tensor that was not planned.
    ///
    /// # Panics
    /// If the bytes lie outside the tensor.
    pub fn write(&self, tensor: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let Some(place) = self.places.get(tensor) else {
            let path = self.files.first().map(|(path, _)| path.clone()).unwrap_or_default();
            return Err(Error::MissingTensor { path, name: tensor.to_owned() });
        };
        assert!(offset + bytes.len() as u64 <= place.bytes, "bytes within the tensor");
        let (path, file) = &self.files[place.file];
        let written = file.file().write_all_at(bytes, place.start + offset);
        written.map_err(|source| cannot_write(path, &source))
    }

    /// The files of weights, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }
}

/// Greedily, in order.
fn split(tensors: &[TensorPlan], max: u64, dir: &Path) -> Result<Vec<Vec<TensorPlan>>> {
    let (mut shards, mut size) = (vec![Vec::new()], 0);
    for tensor in tensors {
        let Some(bytes) = tensor.dtype.bytes_for(&tensor.shape) else {
            let TensorPlan { name, dtype, shape } = tensor;
            let problem =
                format!("tensor `{name}` of shape {shape:?} and type {dtype} has no size");
            return Err(Error::malformed(dir, problem));
        };
        let bytes = bytes as u64;
        if size > 0 && size + bytes > max {
            shards.push(Vec::new());
            size = 0;
        }
        size += bytes;
        if let Some(last) = shards.last_mut() {
            last.push(tensor.clone());
        }
    }
    Ok(shards)
}

fn file_name(index: usize, count: usize) -> String {
    match count {
        1 => "model.safetensors".to_owned(),
        _ => format!("model-{index:05}-of-{count:05}.safetensors"),
    }
}

fn write_index(dir: &Path, names: &[String], shards: &[Vec<TensorPlan>], total: u64) -> Result<()> {
    let mut of_tensor: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, shard) in names.iter().zip(shards) {
        of_tensor.extend(shard.iter().map(|tensor| (tensor.name.as_str(), name.as_str())));
    }
    let weight_map: Map<String, Value> =
        of_tensor.into_iter().map(|(tensor, file)| (tensor.to_owned(), json!(file))).collect();
    let index = json!({"metadata": {"total_size": total}, "weight_map": weight_map});
    fs_err::write(dir.join("model.safetensors.index.json"), format!("{index:#}\n"))?;
    Ok(())
}

fn cannot_write(path: &Path, source: &std::io::Error) -> Error {
    let message = format!("cannot write {}: {source}", path.display());
    Error::Io(std::io::Error::new(source.kind(), message))
}
