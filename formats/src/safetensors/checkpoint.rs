//! The weights of a model folder: `model.safetensors`, or shards named by an index.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::file::SafetensorsFile;
use super::view::TensorView;
use crate::fields::{Fields, brief, parse_object};
use crate::{Error, Result};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The tensors of a model folder, wherever they lie.
pub struct Checkpoint {
    dir: PathBuf,
    shards: Vec<SafetensorsFile>,
    /// Tensor name to its shard's place in `shards`.
    index: BTreeMap<String, usize>,
}

impl Checkpoint {
    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// [`Error::Malformed`] if neither is there, if the index names a file outside the folder, a
    /// missing shard or a tensor that its shard does not hold, or if any file is unsound.
    pub fn open(dir: &Path) -> Result<Self> {
        if dir.join(SINGLE).exists() {
            let file = SafetensorsFile::open(&dir.join(SINGLE))?;
            let index = file.names().map(|name| (name.to_owned(), 0)).collect();
            return Ok(Self { dir: dir.to_owned(), shards: vec![file], index });
        }
        if dir.join(INDEX).exists() {
            return Self::open_shards(dir);
        }
        Err(no_weights(dir))
    }

    fn open_shards(dir: &Path) -> Result<Self> {
        let path = dir.join(INDEX);
        let object = parse_object(&fs_err::read_to_string(&path)?, &path)?;
        let fields = Fields::new(&object, &path);
        let Some(weight_map) = fields.object("weight_map")? else {
            return Err(
                fields.problem("weight_map", "is missing; it names the shard of each tensor")
            );
        };
        let mut shards: Vec<SafetensorsFile> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut index = BTreeMap::new();
        for (tensor, shard) in weight_map {
            let shard = shard_name(tensor, shard, &path)?;
            let place = match places.get(shard) {
                Some(&place) => place,
                None => {
                    shards.push(open_shard(dir, shard)?);
                    places.insert(shard, shards.len() - 1);
                    shards.len() - 1
                }
            };
            check_holds(&shards, place, tensor, &path)?;
            index.insert(tensor.clone(), place);
        }
        Ok(Self { dir: dir.to_owned(), shards, index })
    }

    /// The model's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The files in use, in the order in which the index first names them.
    pub fn files(&self) -> &[SafetensorsFile] {
        &self.shards
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// The `__metadata__` of the first file.
    pub fn metadata(&self) -> Option<&BTreeMap<String, String>> {
        self.shards.first().map(SafetensorsFile::metadata)
    }

    /// A tensor by its full name.
    pub fn get(&self, name: &str) -> Option<TensorView<'_>> {
        self.shards[*self.index.get(name)?].get(name)
    }

    /// Gives back the memory of a tensor that is not needed soon; see [`SafetensorsFile::release`].
    pub fn release(&self, name: &str) {
        if let Some(&shard) = self.index.get(name) {
            self.shards[shard].release(name);
        }
    }

    /// A tensor that must be there with this shape.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::WrongShape`].
    pub fn require(&self, name: &str, shape: &[usize]) -> Result<TensorView<'_>> {
        let Some(tensor) = self.get(name) else {
            return Err(Error::MissingTensor { path: self.dir.clone(), name: name.to_owned() });
        };
        tensor.expect_shape(shape)
    }
}

/// A shard's file name: one plain name, so that no index can reach outside its folder.
fn shard_name<'a>(tensor: &str, shard: &'a Value, index: &Path) -> Result<&'a str> {
    let plain = shard.as_str().filter(|name| {
        let mut parts = Path::new(name).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None)
            if part == *name)
    });
    plain.ok_or_else(|| {
        let problem = format!(
            "`weight_map` puts tensor `{tensor}` in {}, expected the name of a file in the same \
             folder",
            brief(shard)
        );
        Error::malformed(index, problem)
    })
}

fn open_shard(dir: &Path, shard: &str) -> Result<SafetensorsFile> {
    let path = dir.join(shard);
    if !path.exists() {
        let problem = format!("is named by {INDEX} but is not there; fetch the missing shard");
        return Err(Error::malformed(&path, problem));
    }
    SafetensorsFile::open(&path)
}

/// The shard must hold what the index says; if another open shard does, say so.
fn check_holds(shards: &[SafetensorsFile], place: usize, tensor: &str, index: &Path) -> Result<()> {
    let said = &shards[place];
    if said.get(tensor).is_some() {
        return Ok(());
    }
    let file_name = |shard: &SafetensorsFile| {
        shard.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
    };
    let elsewhere = match shards.iter().find(|shard| shard.get(tensor).is_some()) {
        Some(other) => format!("; it lies in {}", file_name(other)),
        None => String::new(),
    };
    let problem = format!(
        "`weight_map` puts tensor `{tensor}` in {} but it is not there{elsewhere}; index and shards \
         belong to different exports: fetch them again",
        file_name(said)
    );
    Err(Error::malformed(index, problem))
}

fn no_weights(dir: &Path) -> Error {
    let torch = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
    if let Some(name) = torch.into_iter().find(|name| dir.join(name).exists()) {
        let advice = "load the model in transformers and save it with save_pretrained(..., \
                      safe_serialization=True)";
        return Error::unsupported(dir, format!("the pickle checkpoint {name}"), advice);
    }
    let problem = format!(
        "holds neither {SINGLE} nor {INDEX}; expected a model folder in Hugging Face layout"
    );
    Error::malformed(dir, problem)
}
