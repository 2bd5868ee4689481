//! Where a file came from, in its metadata: `general.base_model.*` for everybody, `wardrobe.*` with the
//! digests. Nothing here depends on when or where the file was made.

use formats::gguf::{Metadata, Value};
use serde::Serialize;

use crate::license::License;

/// Something a model was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Its name: a hub id or the last part of a path.
    pub name: String,
    /// The SHA-256 of its content, in hexadecimal; empty where unknown.
    pub digest: String,
}

/// Everything a model was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The program that writes the file, e.g. `wardrobe 0.1.0`.
    pub tool: String,
    /// The base model.
    pub base: Option<Origin>,
    /// The base's licence, where the base is a file without a card beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<License>,
    /// The adapters merged onto it, in order.
    pub adapters: Vec<Origin>,
    /// The data that they were trained on: the files' names, and the digest of the examples as tokens.
    pub data: Vec<Origin>,
}

impl Provenance {
    /// `general.*`: what the hub and llama.cpp show.
    pub(super) fn general(&self, metadata: &mut Metadata) {
        let Some(base) = self.base.as_ref().filter(|_| !self.adapters.is_empty()) else { return };
        metadata.set("general.base_model.count", Value::U32(1));
        let (organization, name) = match base.name.rsplit_once('/') {
            Some((organization, name)) => (Some(organization), name),
            None => (None, base.name.as_str()),
        };
        let text = |text: &str| Value::String(text.to_owned());
        metadata.set("general.base_model.0.name", text(name));
        if let Some(organization) = organization {
            metadata.set("general.base_model.0.organization", text(organization));
            let url = format!("https://huggingface.co/{}", base.name);
            metadata.set("general.base_model.0.repo_url", Value::String(url));
        }
    }

    /// `wardrobe.*`: names and digests.
    pub(super) fn own(&self, metadata: &mut Metadata) {
        if !self.tool.is_empty() {
            metadata.set("wardrobe.tool", Value::String(self.tool.clone()));
        }
        for (group, origins) in [
            ("base", self.base.as_slice()),
            ("adapter", self.adapters.as_slice()),
            ("data", self.data.as_slice()),
        ] {
            for (index, origin) in origins.iter().enumerate() {
                let key = format!("wardrobe.{group}.{index}");
                metadata.set(format!("{key}.name"), Value::String(origin.name.clone()));
                if !origin.digest.is_empty() {
                    metadata.set(format!("{key}.sha256"), Value::String(origin.digest.clone()));
                }
            }
        }
    }
}
