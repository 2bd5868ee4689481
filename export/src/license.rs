//! Licences as cards and GGUF files name them, and the identifiers that the hub knows.
//!
//! Leaves out what a licence says.

use std::fmt;
use std::path::Path;

use formats::gguf::{GgufFile, Metadata, Value};
use serde::Serialize;

use crate::front_matter::{FrontMatter, quoted};

/// The hub's identifiers, one a line; lines that begin with `#` say where they are from.
const HUB_IDS: &str = include_str!("license_ids.txt");
/// The hub's identifier of a licence that has none of its own, and is named beside it.
const OTHER: &str = "other";

/// A licence as a card says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct License {
    /// The hub's identifier, or whatever stands there.
    pub id: String,
    /// Its name where the hub has no identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where its text is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl License {
    /// Of the model at `path`: what its folder's card says, or its GGUF file's metadata.
    pub fn of_model(path: &Path) -> Option<Self> {
        match path.is_file() {
            true => Self::of_metadata(GgufFile::open(path).ok()?.metadata()),
            false => Self::of_card(&FrontMatter::of_model(path)),
        }
    }

    /// What a card's keys say. Several licences are one that the hub does not know, of all their names.
    pub fn of_card(card: &FrontMatter) -> Option<Self> {
        let one = |key: &str| card.get(key).first().cloned();
        let (name, link) = (one("license_name"), one("license_link"));
        match card.get("license") {
            [] => None,
            [id] => Some(Self { id: id.clone(), name, link }),
            several => {
                let known = several.iter().filter(|id| *id != OTHER).cloned();
                let names: Vec<String> = known.chain(name).collect();
                let name = Some(names.join(", ")).filter(|names| !names.is_empty());
                Some(Self { id: OTHER.to_owned(), name, link })
            }
        }
    }

    /// What a GGUF file's metadata say. Their converter writes several licences as one text.
    pub fn of_metadata(metadata: &Metadata) -> Option<Self> {
        let text = |key: &str| metadata.str(key).filter(|text| !text.is_empty());
        Some(Self {
            id: text("general.license")?.to_owned(),
            name: text("general.license.name").map(str::to_owned),
            link: text("general.license.link").map(str::to_owned),
        })
    }

    /// Says it in a GGUF file's metadata.
    pub(crate) fn describe(&self, metadata: &mut Metadata) {
        let mut set = |key: &str, text: &str| metadata.set(key, Value::String(text.to_owned()));
        set("general.license", &self.id);
        self.name.iter().for_each(|name| set("general.license.name", name));
        self.link.iter().for_each(|link| set("general.license.link", link));
    }
}

impl fmt::Display for License {
    /// The keys of a card. What the hub has no identifier for becomes the name of another licence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.to_lowercase();
        let known = is_known(&id);
        let name = if known { self.name.as_ref() } else { self.name.as_ref().or(Some(&self.id)) };
        writeln!(f, "license: {}", if known { &id } else { OTHER })?;
        for (key, value) in [("license_name", name), ("license_link", self.link.as_ref())] {
            if let Some(value) = value {
                writeln!(f, "{key}: {}", quoted(value))?;
            }
        }
        Ok(())
    }
}

/// Whether the hub has such an identifier.
fn is_known(id: &str) -> bool {
    HUB_IDS.lines().any(|line| !line.starts_with('#') && line == id)
}

#[cfg(test)]
mod tests {
    use formats::gguf::write_gguf;

    use super::*;

    fn shown(id: &str, name: Option<&str>) -> String {
        License { id: id.to_owned(), name: name.map(str::to_owned), link: None }.to_string()
    }

    /// What a card's text becomes in another card.
    fn copied(card: &str) -> Option<String> {
        License::of_card(&FrontMatter::parse(&format!("---\n{card}---\n"))).map(|it| it.to_string())
    }

    #[test]
    fn a_licence_is_one_that_the_hub_knows_or_another_by_its_name() {
        assert_eq!(shown("mit", None), "license: mit\n");
        assert_eq!(shown("Apache-2.0", None), "license: apache-2.0\n");
        for id in ["openrail++", "llama3.3", "gemma", "unknown", "other"] {
            assert_eq!(shown(id, None), format!("license: {id}\n"));
        }
        let named = "license: other\nlicense_name: qwen-research\n";
        assert_eq!(shown("other", Some("qwen-research")), named);
        let free = "license: other\nlicense_name: \"My own: licence\"\n";
        assert_eq!(shown("My own: licence", None), free);
    }

    #[test]
    fn a_word_that_the_hub_does_not_know_is_a_name() {
        assert_eq!(shown("Proprietary", None), "license: other\nlicense_name: Proprietary\n");
        assert_eq!(shown("proprietary", Some("ACME")), "license: other\nlicense_name: ACME\n");
        assert_eq!(shown("#", None), "license: other\nlicense_name: \"#\"\n");
    }

    #[test]
    fn a_card_says_one_licence_several_or_none() {
        let link = "license: other\nlicense_name: x\nlicense_link: \"y\"\n";
        assert_eq!(copied("license: other\nlicense_name: x\nlicense_link: y\n").unwrap(), link);
        let both = "license: other\nlicense_name: \"mit, apache-2.0\"\n";
        assert_eq!(copied("license:\n- mit\n- apache-2.0\n").unwrap(), both);
        let named = "license: other\nlicense_name: \"mit, ACME\"\n";
        assert_eq!(copied("license: [other, mit]\nlicense_name: ACME\n").unwrap(), named);
        assert_eq!(copied("license: \"\"\nlicense_name: x\n"), None);
        assert_eq!(copied("tags: [a]\n"), None);
    }

    #[test]
    fn metadata_say_it_in_keys_of_their_own() {
        let mut metadata = Metadata::new();
        let mut set = |key: &str, text: &str| metadata.set(key, Value::String(text.to_owned()));
        set("general.license", "");
        assert_eq!(License::of_metadata(&metadata), None);
        metadata.set("general.license", Value::String("mit,apache-2.0".to_owned()));
        let both = "license: other\nlicense_name: \"mit,apache-2.0\"\n";
        assert_eq!(License::of_metadata(&metadata).unwrap().to_string(), both);
        for (key, text) in [("", "other"), (".name", "ACME"), (".link", "https://a.b")] {
            metadata.set(format!("general.license{key}"), Value::String(text.to_owned()));
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("model.gguf");
        write_gguf(&file, &metadata, &[], |_, _| Ok::<(), formats::Error>(())).unwrap();
        let found = License::of_model(&file).unwrap();
        assert_eq!(License::of_model(dir.path()), None);
        assert_eq!((found.id.as_str(), found.name.as_deref()), ("other", Some("ACME")));
        assert_eq!(found.link.as_deref(), Some("https://a.b"));
    }
}
