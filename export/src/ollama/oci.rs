//! An OCI image layout of the same blobs and manifests as a store holds, to be pushed to a registry
//! with any tool that reads layouts.

use std::path::Path;

use formats::digest::sha256;
use formats::whole::{self, Existing};
use serde_json::{Value, json};

use super::image::{Blob, Image, MANIFEST};
use super::name::ModelName;
use crate::{Error, Result};

/// Writes a layout of `images`; the folder appears whole or not at all.
///
/// # Errors
/// A folder that exists where it may not be replaced, or whatever the operating system says.
pub fn write_oci(path: &Path, existing: Existing, images: &[(ModelName, Image)]) -> Result<()> {
    whole::write_dir(path, existing, |draft| {
        let blobs = draft.join("blobs/sha256");
        fs_err::create_dir_all(&blobs)?;
        let mut manifests = Vec::new();
        for (name, image) in images {
            for blob in image.blobs() {
                put(&blobs, blob)?;
            }
            let manifest = image.manifest()?;
            manifests.push(entry(name, &manifest));
            put(&blobs, &Blob::bytes(manifest))?;
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        fs_err::write(draft.join("index.json"), format!("{index}\n"))?;
        fs_err::write(draft.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}\n")?;
        Ok::<(), Error>(())
    })
}

fn entry(name: &ModelName, manifest: &[u8]) -> Value {
    json!({
        "mediaType": MANIFEST,
        "digest": format!("sha256:{}", sha256(manifest)),
        "size": manifest.len(),
        "annotations": {"org.opencontainers.image.ref.name": name.to_string()},
    })
}

fn put(blobs: &Path, blob: &Blob) -> Result<()> {
    let path = blobs.join(&blob.sha256);
    if path.exists() {
        return Ok(());
    }
    let mut out = fs_err::File::create(&path)?;
    Ok(blob.copy_to(&mut out)?)
}
