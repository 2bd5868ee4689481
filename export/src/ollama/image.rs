//! A model as Ollama stores it: layers, a config and the manifest that names them by digest.

use std::path::{Path, PathBuf};

use formats::digest::{Hashed, sha256, sha256_from};
use serde::Serialize;
use serde_json::{Value, json};

use super::gguf_facts::{GgufFacts, human_number};
use crate::{Error, Result};

/// What a layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the word in Ollama's media type")]
pub enum LayerKind {
    Model,
    Adapter,
    Template,
    System,
    License,
    Params,
}

impl LayerKind {
    fn media_type(self) -> String {
        let word = match self {
            Self::Model => "model",
            Self::Adapter => "adapter",
            Self::Template => "template",
            Self::System => "system",
            Self::License => "license",
            Self::Params => "params",
        };
        format!("application/vnd.ollama.image.{word}")
    }
}

/// Where a blob's bytes are.
#[derive(Clone, Debug)]
pub enum Source {
    /// In a file, which is copied.
    File(PathBuf),
    /// In a file of ours, which may be moved.
    Draft(PathBuf),
    /// In memory.
    Bytes(Vec<u8>),
}

impl Source {
    /// The file, where it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Draft(path) => Some(path),
            Self::Bytes(_) => None,
        }
    }
}

/// Bytes known by their digest.
#[derive(Clone, Debug)]
pub struct Blob {
    /// SHA-256 in lower-case hex.
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) source: Source,
}

impl Blob {
    /// Bytes in memory.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        let size = bytes.len() as u64;
        Self { sha256: sha256(&bytes), size, source: Source::Bytes(bytes) }
    }

    /// A file, read once for its digest.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn file(source: Source) -> Result<Self> {
        let path = match &source {
            Source::Bytes(bytes) => return Ok(Self::bytes(bytes.clone())),
            Source::File(path) | Source::Draft(path) => path,
        };
        let (sha256, size) = sha256_from(&mut fs_err::File::open(path)?)?;
        Ok(Self { sha256, size, source })
    }

    /// The digest as manifests write it.
    pub fn digest(&self) -> String {
        format!("sha256:{}", self.sha256)
    }

    /// Streams the bytes and makes sure that they are still those of the digest.
    pub(super) fn copy_to(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let path = match &self.source {
            Source::Bytes(bytes) => return out.write_all(bytes),
            Source::File(path) | Source::Draft(path) => path,
        };
        let mut out = Hashed::new(out);
        std::io::copy(&mut fs_err::File::open(path)?, &mut out)?;
        if out.finish() == self.sha256 {
            return Ok(());
        }
        let changed = format!("{} changed while it was read; try again", path.display());
        Err(std::io::Error::new(std::io::ErrorKind::InvalidData, changed))
    }
}

/// One model: a config and layers.
#[derive(Clone, Debug)]
pub struct Image {
    config: Blob,
    layers: Vec<(LayerKind, Blob)>,
}

#[derive(Serialize)]
struct Config<'a> {
    model_format: &'a str,
    model_family: &'a str,
    model_families: [&'a str; 1],
    model_type: String,
    file_type: &'a str,
    architecture: &'a str,
    os: &'a str,
}

/// Ends JSON files as Go's encoder does.
fn json_line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value).map_err(std::io::Error::from)?;
    bytes.push(b'\n');
    Ok(bytes)
}

impl Image {
    /// A model from its layers; `facts` are those of the model's GGUF.
    ///
    /// # Errors
    /// None in practice: JSON of plain values.
    pub fn new(facts: &GgufFacts, layers: Vec<(LayerKind, Blob)>) -> Result<Self> {
        let config = Config {
            model_format: "gguf",
            model_family: &facts.architecture,
            model_families: [&facts.architecture],
            model_type: human_number(facts.parameters),
            file_type: &facts.file_type,
            architecture: "amd64",
            os: "linux",
        };
        Ok(Self { config: Blob::bytes(json_line(&config)?), layers })
    }

    /// Every blob, the config last.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().map(|(_, blob)| blob).chain([&self.config])
    }

    /// The layers.
    pub fn layers(&self) -> &[(LayerKind, Blob)] {
        &self.layers
    }

    /// The manifest's bytes.
    ///
    /// # Errors
    /// None in practice: JSON of plain values.
    pub fn manifest(&self) -> Result<Vec<u8>> {
        let entry = |media_type: &str, blob: &Blob| json!({"mediaType": media_type, "digest": blob.digest(), "size": blob.size});
        let layers: Vec<Value> =
            self.layers.iter().map(|(kind, blob)| entry(&kind.media_type(), blob)).collect();
        json_line(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": entry("application/vnd.docker.container.image.v1+json", &self.config),
            "layers": layers,
        }))
    }
}

/// The media type of manifests.
pub(super) const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What a model's GGUF must be: a model, and one that Ollama can name.
pub(super) fn require_model(path: &Path, facts: &GgufFacts) -> Result<()> {
    if facts.is_adapter {
        return Err(Error::refused(path, "is an adapter; give a GGUF that holds a model"));
    }
    Ok(())
}

/// What an adapter's GGUF must be: a LoRA of the base's architecture.
pub(super) fn require_adapter(path: &Path, facts: &GgufFacts, base: &GgufFacts) -> Result<()> {
    if !facts.is_adapter {
        let problem = "is no adapter (`general.type` is not `adapter`); write one with `wardrobe \
                       export gguf-adapter`";
        return Err(Error::refused(path, problem));
    }
    if facts.architecture != base.architecture {
        let problem = format!(
            "is an adapter of a {} model, and the base is {}; give the base that it was trained on",
            facts.architecture, base.architecture
        );
        return Err(Error::refused(path, problem));
    }
    Ok(())
}
