//! One loaded adapter, immutable and named by the hash of its content. How it is read is `load`'s
//! business, who holds it `registry`'s.

use super::{AdapterReport, BaseInfo, Result, Source};
use crate::model::AdapterWeights;
use formats::peft::{AdapterFiles, content_digest};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// SHA-256 over the digests of `adapter_config.json` and of the weights file. Two folders with the
/// same two files are the same generation, whatever they are called. Of a base, its fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GenerationId([u8; 32]);

impl GenerationId {
    /// The id of these file contents.
    pub fn of(config: &[u8], weights: &[u8]) -> Self {
        Self(content_digest(config, weights))
    }

    /// The id of a folder's files.
    pub fn of_files(files: &AdapterFiles) -> Self {
        Self(files.digest())
    }

    /// The id of a base, by its fingerprint.
    ///
    /// # Errors
    /// A file of the base that cannot be read.
    pub fn of_base(base: &BaseInfo) -> Result<Self> {
        Ok(Self(base.files().fingerprint()?))
    }

    /// The 32 bytes, for keys of caches.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// All 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for GenerationId {
    /// The first 16 hexadecimal digits: enough to tell generations apart in logs and answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex()[..16])
    }
}

impl fmt::Debug for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GenerationId({self})")
    }
}

/// An adapter as it was when it was loaded. Never changed afterwards: who holds one may use it for
/// as long as they like, whatever happens to its name.
#[derive(Debug)]
pub struct Generation {
    /// Hash of the content.
    pub id: GenerationId,
    /// The name that requests give as `model`.
    pub name: String,
    /// The folder it was read from.
    pub path: PathBuf,
    /// Its files as they were before they were read; `None` where one was missing.
    pub source: Option<Source>,
    /// What it changes in the model. Shared by generations of the same content.
    pub weights: Arc<AdapterWeights>,
    /// What was found when it was checked.
    pub report: Arc<AdapterReport>,
    /// When it was loaded.
    pub loaded_at: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_depends_on_both_files_and_on_the_border_between_them() {
        let id = GenerationId::of(b"ab", b"c");
        assert_eq!(id, GenerationId::of(b"ab", b"c"));
        assert_ne!(id, GenerationId::of(b"a", b"bc"));
        assert_ne!(id, GenerationId::of(b"ab", b"d"));
    }

    #[test]
    fn id_is_sha256_of_the_two_digests() {
        // printf 'ab' | sha256sum; the same of 'c'; both digests as bytes | sha256sum
        let id = GenerationId::of(b"ab", b"c");
        assert_eq!(id.to_hex(), "115323e562c4a4fdf7ceacedca660dc4bbe1389dab9323aad08440907c7426d0");
        assert_eq!(id.to_string(), id.to_hex()[..16]);
    }
}
