//! Which files of a repository make a model.
//!
//! Names come from a server, so only plain names of the expected kinds are taken: nothing that leads
//! into other folders.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use formats::model_folder::{self, CONFIG, GENERATION, INDEX, WEIGHTS};
use serde_json::Value;

/// What is fetched beside weights, tokenizer and templates. Card and licence are carried into packages.
const BESIDE: [&str; 5] = ["README.md", "LICENSE", CONFIG, GENERATION, INDEX];

/// The small files that the repository has, as far as they are read here.
pub(super) fn small(names: &[String]) -> Vec<String> {
    let wanted =
        |name: &&String| BESIDE.contains(&name.as_str()) || model_folder::is_text_read(name);
    names.iter().filter(wanted).cloned().collect()
}

/// The weight files; the index, where there is one, is in `folder` already.
pub(super) fn weights(names: &[String], folder: &Path, model: &str) -> Result<Vec<String>> {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has(INDEX) {
        let shards = shards(&folder.join(INDEX))?;
        if let Some(missing) = shards.iter().find(|shard| !has(shard)) {
            bail!(
                "{model} is incomplete on the hub: its index names {missing}, which is not there"
            );
        }
        return Ok(shards);
    }
    if !has(CONFIG) {
        bail!("{model} is no model: its repository has no config.json");
    }
    if !has(WEIGHTS) {
        bail!("{model} has no safetensors weights; other formats are not read");
    }
    Ok(vec![WEIGHTS.to_owned()])
}

/// Whether a folder of the cache has all it needs.
pub(super) fn is_complete(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    let whole = match has(INDEX) {
        true => shards(&folder.join(INDEX)).is_ok_and(|shards| shards.iter().all(|s| has(s))),
        false => has(WEIGHTS),
    };
    whole && has(CONFIG) && has("tokenizer.json")
}

/// The shards that an index names, each once.
fn shards(index: &Path) -> Result<Vec<String>> {
    let what = || format!("{} is no index of safetensors", index.display());
    let json: Value = serde_json::from_slice(&fs_err::read(index)?).with_context(what)?;
    let map = json["weight_map"].as_object().with_context(what)?;
    let shards: Option<BTreeSet<&str>> = map.values().map(Value::as_str).collect();
    let shards = shards.with_context(what)?;
    if let Some(odd) = shards.iter().find(|shard| !is_plain(shard)) {
        bail!("{}: `{odd}` is no file name of a shard", index.display());
    }
    Ok(shards.into_iter().map(str::to_owned).collect())
}

fn is_plain(name: &str) -> bool {
    name.ends_with(".safetensors") && !name.starts_with('.') && !name.contains(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_file_or_the_shards_of_the_index() {
        let dir = tempfile::tempdir().unwrap();
        let all = names(&["config.json", "model.safetensors", "consolidated.safetensors", "x.bin"]);
        assert_eq!(weights(&all, dir.path(), "m").unwrap(), ["model.safetensors"]);
        assert_eq!(small(&all), ["config.json"]);
        let index = r#"{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-1.safetensors"}}"#;
        fs_err::write(dir.path().join(INDEX), index).unwrap();
        let all = names(&["config.json", INDEX, "m-1.safetensors", "m-2.safetensors"]);
        assert_eq!(weights(&all, dir.path(), "m").unwrap(), ["m-1.safetensors", "m-2.safetensors"]);
        let missing = weights(&all[..3], dir.path(), "m").unwrap_err().to_string();
        assert!(missing.contains("names m-2.safetensors, which is not there"), "{missing}");
    }

    #[test]
    fn of_the_text_side_what_is_read_is_taken() {
        let all = names(&[
            "LICENSE",
            "additional_chat_templates/../../x.jinja",
            "additional_chat_templates/rag.jinja",
            "chat_template.json",
            "onnx/config.json",
            "tokenizer.model",
            "vocab.json",
        ]);
        let read = ["LICENSE", "additional_chat_templates/rag.jinja", "chat_template.json"];
        assert_eq!(small(&all), read);
    }

    #[test]
    fn an_index_cannot_lead_out_of_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join(INDEX), r#"{"weight_map": {"a": "../x.safetensors"}}"#)
            .unwrap();
        let error = weights(&names(&["config.json", INDEX]), dir.path(), "m").unwrap_err();
        assert!(error.to_string().contains("no file name of a shard"), "{error}");
    }

    #[test]
    fn other_formats_are_refused() {
        let error = weights(&names(&["config.json", "x.bin"]), Path::new("x"), "m").unwrap_err();
        assert!(error.to_string().contains("no safetensors"), "{error}");
        let error = weights(&names(&["model.gguf"]), Path::new("x"), "m").unwrap_err();
        assert!(error.to_string().contains("no config.json"), "{error}");
    }
}
