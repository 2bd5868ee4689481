//! Model folders: one file, shards with an index, and every way in which the two can disagree.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use formats::{Checkpoint, Dtype, write_safetensors};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::sentences::says;

/// Writes tensors of two values; each name's values are its first byte and 0.
fn write(dir: &Path, file: &str, names: &[&str]) {
    let tensor = |name: &&str| {
        let values = [f32::from(name.as_bytes()[0]), 0.0];
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        ((*name).to_owned(), Dtype::F32, vec![2], Cow::Owned(bytes))
    };
    let tensors: Vec<_> = names.iter().map(tensor).collect();
    write_safetensors(&dir.join(file), &tensors, &BTreeMap::new()).unwrap();
}

/// A folder of two shards and this `weight_map`.
fn sharded(weight_map: Value) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "model-1.safetensors", &["a", "b"]);
    write(dir.path(), "model-2.safetensors", &["c", "d"]);
    index(dir.path(), &json!({"metadata": {"total_size": 32}, "weight_map": weight_map}));
    dir
}

fn index(dir: &Path, index: &Value) {
    fs_err::write(dir.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn one_file_and_shards_read_alike() {
    let single = tempfile::tempdir().unwrap();
    write(single.path(), "model.safetensors", &["a", "b", "c"]);
    let shards = sharded(json!({
        "c": "model-2.safetensors", "a": "model-1.safetensors", "b": "model-1.safetensors"
    }));
    for dir in [&single, &shards] {
        let checkpoint = Checkpoint::open(dir.path()).unwrap();
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(checkpoint.require("c", &[2]).unwrap().to_f32().unwrap(), [99.0, 0.0]);
        assert!(checkpoint.get("d").is_none());
        says(checkpoint.require("lm_head.weight", &[2]), &["`lm_head.weight` is missing"]);
        let wrong = checkpoint.require("a", &[2, 1]);
        says(wrong, &["`a` has shape [2]", "needs [2, 1]", "same model"]);
    }
    assert_eq!(Checkpoint::open(shards.path()).unwrap().files().len(), 2);
}

#[test]
fn an_index_cannot_reach_outside_its_folder() {
    for shard in [
        json!("../model-1.safetensors"),
        json!("/etc/passwd"),
        json!("sub/model-1.safetensors"),
        json!("./model-1.safetensors"),
        json!("model-1.safetensors/"),
        json!(".."),
        json!("."),
        json!(""),
        json!(7),
        json!(null),
    ] {
        let dir = sharded(json!({"a": shard}));
        let parts = ["model.safetensors.index.json", "tensor `a`", "same folder"];
        says(Checkpoint::open(dir.path()), &parts);
    }
}

#[test]
fn index_and_shards_must_agree() {
    let open = |weight_map: Value| Checkpoint::open(sharded(weight_map).path());
    says(open(json!({"a": "model-3.safetensors"})), &["model-3.safetensors", "not there", "shard"]);
    let elsewhere =
        json!({"a": "model-1.safetensors", "c": "model-2.safetensors", "b": "model-2.safetensors"});
    says(open(elsewhere), &["`b` in model-2.safetensors", "it lies in model-1.safetensors"]);
    says(
        open(json!({"zzz": "model-2.safetensors"})),
        &["`zzz` in model-2.safetensors", "not there"],
    );
    says(open(json!([])), &["`weight_map` must be an object"]);
    let dir = sharded(json!({}));
    index(dir.path(), &json!({"metadata": {}}));
    says(Checkpoint::open(dir.path()), &["`weight_map` is missing"]);
    fs_err::write(dir.path().join("model.safetensors.index.json"), "{").unwrap();
    says(Checkpoint::open(dir.path()), &["not valid JSON"]);
}

#[test]
fn a_damaged_shard_is_named() {
    let dir = sharded(json!({"a": "model-1.safetensors", "c": "model-2.safetensors"}));
    let shard = dir.path().join("model-2.safetensors");
    let bytes = fs_err::read(&shard).unwrap();
    fs_err::write(&shard, &bytes[..bytes.len() - 1]).unwrap();
    says(Checkpoint::open(dir.path()), &["model-2.safetensors", "truncated"]);
}

#[test]
fn folders_without_safetensors_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    says(Checkpoint::open(dir.path()), &["neither model.safetensors nor", "Hugging Face layout"]);
    fs_err::write(dir.path().join("pytorch_model.bin"), "x").unwrap();
    says(Checkpoint::open(dir.path()), &["pytorch_model.bin", "safe_serialization=True"]);
}

#[cfg(unix)]
#[test]
fn shards_may_be_links_as_in_the_hub_cache() {
    let blobs = tempfile::tempdir().unwrap();
    write(blobs.path(), "blob", &["a"]);
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(blobs.path().join("blob"), dir.path().join("s.safetensors"))
        .unwrap();
    index(dir.path(), &json!({"weight_map": {"a": "s.safetensors"}}));
    assert!(Checkpoint::open(dir.path()).unwrap().get("a").is_some());
}
