//! From training to the hub: an adapter is trained, packed with its base, proven and pushed to a hub on
//! the loopback; the card there says where everything comes from and what was proven.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use formats::digest::sha256;
use serde_json::Value;

use crate::fake_hub::{FakeHub, State};

/// A hub's cache that holds the bundled base as `someone/base`, under a licence.
fn cache() -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    let repo = cache.path().join("models--someone--base");
    let snapshot = repo.join("snapshots/0123");
    fs_err::create_dir_all(&snapshot).unwrap();
    fs_err::create_dir(repo.join("refs")).unwrap();
    fs_err::write(repo.join("refs/main"), "0123").unwrap();
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints/initial");
    for entry in fs_err::read_dir(bundled).unwrap() {
        let path = entry.unwrap().path();
        fs_err::copy(&path, snapshot.join(path.file_name().unwrap())).unwrap();
    }
    fs_err::write(snapshot.join("README.md"), "---\nlicense: apache-2.0\n---\n").unwrap();
    fs_err::write(snapshot.join("LICENSE"), "Do as you like.\n").unwrap();
    cache
}

/// The program with the cache as all it knows of the hub.
fn wardrobe(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("HF_HUB_CACHE", cache);
    command.env("HF_HUB_OFFLINE", "1").env_remove("WARDROBE_LOG").env_remove("RUST_LOG");
    command
}

fn ok(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A few steps on the base; the adapter's folder.
fn train(cache: &Path, dir: &Path) -> PathBuf {
    let (data, adapter) = (dir.join("sums.jsonl"), dir.join("adapter"));
    let mut generate = wardrobe(cache);
    generate.args(["data", "generate", "countdown", "--kind", "sft", "--n", "8", "--output"]);
    generate.arg(&data);
    ok(generate);
    let mut train = wardrobe(cache);
    train.args(["train", "sft", "--model", "someone/base", "--max-steps", "3", "--lora-r", "4"]);
    train.args(["--batch-size", "2", "--gradient-accumulation-steps", "1"]);
    train.arg("--data").arg(&data).arg("--output").arg(&adapter);
    ok(train);
    adapter
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

/// Every file of the one commit, with its content.
fn pushed(hub: &FakeHub) -> BTreeMap<String, Vec<u8>> {
    let state = hub.state.lock().unwrap();
    assert_eq!(state.commits.len(), 1);
    let files = state.commits[0].iter().skip(1).map(|line| {
        let value = &line["value"];
        let content = match line["key"].as_str().unwrap() {
            "lfsFile" => state.stored[value["oid"].as_str().unwrap()].clone(),
            "file" => BASE64.decode(value["content"].as_str().unwrap()).unwrap(),
            other => panic!("{other}"),
        };
        (value["path"].as_str().unwrap().to_owned(), content)
    });
    files.collect()
}

#[test]
fn a_trained_adapter_reaches_the_hub_with_a_card_that_says_everything() {
    let (cache, dir) = (cache(), tempfile::tempdir().unwrap());
    let adapter = train(cache.path(), dir.path());
    let package = dir.path().join("package");
    let mut export = wardrobe(cache.path());
    export.args([
        "export",
        "ollama",
        "--model",
        "someone/base",
        "--type",
        "q8_0",
        "--name",
        "sums",
    ]);
    export.arg("--adapter").arg(&adapter).arg("--output").arg(&package).arg("--json");
    let exported: Value = serde_json::from_str(&ok(export)).unwrap();

    let hub = FakeHub::start(State::default());
    let mut push = wardrobe(cache.path());
    push.args(["push", "org/tiny", "--json", "--dir"]).arg(&package);
    push.env("HF_ENDPOINT", &hub.endpoint).env("HF_TOKEN", "secret").env_remove("HF_HUB_OFFLINE");
    ok(push);

    let files = pushed(&hub);
    let card = String::from_utf8(files["README.md"].clone()).unwrap();
    let mut names: Vec<String> = fs_err::read_dir(&package)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.iter().any(|name| name == "LICENSE"), "{names:?}");
    for name in &names {
        let bytes = fs_err::read(package.join(name)).unwrap();
        assert!(files[name] == bytes, "{name} arrived as it is");
        let line = format!("| `{name}` | {} | `{}` |\n", bytes.len(), sha256(&bytes));
        assert!(card.contains(&line), "{line} is not in\n{card}");
    }
    assert_eq!(files.len(), names.len() + 1, "and the card");
    check_card(&card, &exported["export"], &json(&adapter.join("training.json")));
}

/// The card against the report of the export and the record of the training.
fn check_card(card: &str, exported: &Value, record: &Value) {
    let opening = "---\nbase_model: someone/base\nbase_model_relation: finetune\n\
                   library_name: gguf\npipeline_tag: text-generation\nlicense: apache-2.0\n\
                   tags:\n- gguf\n- ollama\n- wardrobe\n- conversational\n---\n\n# tiny\n";
    assert!(card.starts_with(opening), "{card}");
    let provenance = &exported["provenance"];
    let digest = |of: &Value| of["digest"].as_str().unwrap().to_owned();
    let (base, worn) = (digest(&provenance["base"]), digest(&provenance["adapters"][0]));
    assert_eq!((base.len(), worn.len()), (64, 64));
    for line in [
        format!("| base | someone/base | `{base}` |\n"),
        format!("| adapter | adapter | `{worn}` |\n"),
        format!("| data | sums.jsonl | `{}` |\n", record["data_digest"].as_str().unwrap()),
        format!("Written by {}.\n", record["tool"].as_str().unwrap()),
    ] {
        assert!(card.contains(&line), "{line} is not in\n{card}");
    }
    let proof = &exported["proof"];
    for figure in ["top1_agreement", "mean_kl", "greedy_same"] {
        let value = &proof["behaviour"][figure];
        assert!(value.is_number(), "{proof}");
        let line = format!("behaviour: {figure} | {value} |\n");
        assert!(card.contains(&line), "{line} is not in\n{card}");
    }
    assert!(card.contains("renders") && card.contains("byte for byte"), "{card}");
    assert!(card.contains("    ollama run hf.co/org/tiny\n"));
}
