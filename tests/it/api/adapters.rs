//! Adapters over HTTP: found, loaded, replaced, unloaded, refused, counted.

use super::server::{Running, Wanted, put_adapter};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

fn generation(server: &Running, model: &str) -> String {
    let body = json!({"model": model, "prompt": "x", "max_tokens": 1});
    let answer = server.post("/v1/completions", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["adapter_generation"].as_str().unwrap().to_owned()
}

fn load(server: &Running, name: &str, path: &str, inplace: bool) -> (u16, String) {
    let body = json!({
        "lora_name": name, "lora_path": path, "load_inplace": inplace, "base_model_name": "any",
    });
    let answer = server.post("/v1/load_lora_adapter", &body);
    (answer.status, answer.body)
}

fn unload(server: &Running, name: &str) -> u16 {
    server.post("/v1/unload_lora_adapter", &json!({ "lora_name": name })).status
}

fn listed(server: &Running) -> Vec<String> {
    let cards = server.get("/v1/models").json()["data"].as_array().unwrap().clone();
    cards.iter().map(|card| card["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn load_replace_unload() {
    let server = Running::start(Wanted::default());
    let added = "Success: LoRA adapter 'a' added successfully.";
    let (status, said) = load(&server, "a", "lora", false);
    assert_eq!(status, 200, "{said}");
    // The adapter's config names the base by its own name, the server calls it `base`.
    let warning = "Warning: it names the base tiny/qwen3_untied_gqa2, loaded is base;";
    assert!(said.starts_with(added) && said.contains(warning), "{said}");
    let first = generation(&server, "a");
    assert_eq!(first, generation(&server, "lora"), "the same content is the same generation");
    assert_eq!(load(&server, "a", "dora", false).0, 400, "the name is taken");
    assert_eq!(generation(&server, "a"), first);
    assert_eq!(load(&server, "a", "dora", true).0, 200);
    assert_ne!(generation(&server, "a"), first);
    assert_eq!(unload(&server, "a"), 200);
    assert_eq!(unload(&server, "a"), 404);
    let long = server.post("/v1/unload_lora_adapter", &json!({"lora_name": "x".repeat(5000)}));
    assert!(long.status == 404 && long.body.len() < 300, "{long:?}");
    let gone = server.post("/v1/completions", &json!({"model": "a", "prompt": "x"}));
    assert_eq!((gone.status, gone.error("code")), (404, json!("model_not_found")));
}

#[test]
fn what_appears_on_disk_is_served_and_what_changes_is_served_anew() {
    let server = Running::start(Wanted::default());
    assert_eq!(listed(&server), ["base", "dora", "lora"]);
    put_adapter(server.adapters.path(), "new", "all_linear");
    let first = generation(&server, "new");
    put_adapter(server.adapters.path(), "new", "dora");
    let second = generation(&server, "new");
    assert_ne!(first, second);

    let weights = server.adapters.path().join("new/adapter_model.safetensors");
    fs_err::write(&weights, "damaged").unwrap();
    assert_eq!(generation(&server, "new"), second, "what cannot be loaded replaces nothing");
    put_adapter(server.adapters.path(), "new", "dora");

    assert_eq!(generation(&server, "new"), second);
    assert_eq!(unload(&server, "new"), 200);
    let body = json!({"model": "new", "prompt": "x"});
    assert_eq!(server.post("/v1/completions", &body).status, 404, "unloaded on purpose");
    assert_eq!(listed(&server), ["base", "dora", "lora"]);
    put_adapter(server.adapters.path(), "new", "all_linear");
    assert_eq!(generation(&server, "new"), first, "until it changes");

    fs_err::create_dir(server.adapters.path().join("bad")).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs_err::write(server.adapters.path().join("bad").join(file), "{}").unwrap();
    }
    let bad = server.post("/v1/completions", &json!({"model": "bad", "prompt": "x"}));
    assert_eq!((bad.status, bad.error("param")), (400, json!("model")));
    let folder = server.adapters.path().to_str().unwrap();
    assert!(!bad.body.contains(folder), "no path of the disk is shown: {}", bad.body);
}

#[test]
fn what_did_not_fit_is_served_once_there_is_room() {
    let server = Running::start(Wanted { max_adapters: 1, ..Wanted::default() });
    let lora = generation(&server, "lora");
    let body = json!({"model": "dora", "prompt": "x", "max_tokens": 1});
    let refused = server.post("/v1/completions", &body);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("at most 1 may be loaded"), "{refused:?}");
    assert_eq!(unload(&server, "lora"), 200);
    assert_ne!(generation(&server, "dora"), lora);
}

#[test]
fn a_name_follows_the_folder_it_was_loaded_from_last() {
    let server = Running::start(Wanted::default());
    put_adapter(server.adapters.path(), "twin", "all_linear");
    assert_eq!(load(&server, "a", "lora", false).0, 200);
    let first = generation(&server, "a");
    assert_eq!(load(&server, "a", "twin", true).0, 200, "the same content, elsewhere");
    put_adapter(server.adapters.path(), "lora", "dora");
    assert_eq!(generation(&server, "a"), first, "the folder before is of no interest any more");
    put_adapter(server.adapters.path(), "twin", "dora");
    assert_ne!(generation(&server, "a"), first);
}

#[test]
fn only_the_adapter_folder_is_open() {
    let server = Running::start(Wanted::default());
    let root = server.adapters.path();
    let other = tempfile::tempdir().unwrap();
    put_adapter(other.path(), "stolen", "dora");
    symlink(other.path().join("stolen"), root.join("link")).unwrap();
    symlink(root.join("lora"), root.join("inside")).unwrap();
    let stolen = other.path().join("stolen");
    for path in [stolen.to_str().unwrap(), "link", "inside", "../stolen", "lora/../lora", "/"] {
        let (status, body) = load(&server, "a", path, false);
        assert_eq!(status, 400, "{path}: {body}");
        assert!(body.contains("path_not_allowed"), "{path}: {body}");
    }
    for link in ["link", "inside"] {
        let linked = json!({"model": link, "prompt": "x"});
        assert_eq!(server.post("/v1/completions", &linked).status, 404, "nor by its name");
    }
    assert_eq!(load(&server, "a", "nowhere", false).0, 404);
    for name in ["a,b", "a/b", "..", "base", ""] {
        assert_eq!(load(&server, name, "lora", false).0, 400, "{name}");
    }
}

#[test]
fn cards_lists_and_metrics_name_the_adapters() {
    let server = Running::start(Wanted::default());
    let id = generation(&server, "lora");
    let card = server.get("/v1/models/lora").json();
    assert_eq!((&card["parent"], &card["root"]), (&json!("base"), &json!("lora")));
    assert_eq!(card["adapter_generation"], id);
    assert_eq!(server.get("/v1/models/none").status, 404);
    let base = server.get("/v1/models/base").json();
    assert_eq!(base["adapter_generation"], json!(null));
    assert_eq!(base["base_generation"].as_str().map(str::len), Some(16));
    assert_eq!(card["base_generation"], base["base_generation"]);

    let entry = server.get("/v1/lora_adapters").json()["data"][0].clone();
    assert_eq!((&entry["lora_name"], &entry["generation"]), (&json!("lora"), &json!(id)));
    assert!(entry["report"]["modules"].as_array().is_some_and(|modules| !modules.is_empty()));
    assert!(entry["bytes"].as_u64().is_some_and(|bytes| bytes > 0));

    server.until_running(0);
    let metrics = server.get("/metrics").body;
    for line in [
        "running_lora_adapters=\"lora\"",
        "wardrobe_adapter_requests_total{adapter=\"lora\"} 1",
        "vllm:num_requests_running{model_name=\"base\",engine=\"0\"} 0",
        "vllm:request_success_total{model_name=\"base\",engine=\"0\",finished_reason=\"length\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    for sample in samples {
        let value = sample.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        assert!(value.is_some(), "{sample}");
    }
}

#[test]
fn requests_keep_the_generation_they_began_with() {
    let server = Running::start(Wanted::default());
    assert_eq!(load(&server, "a", "lora", false).0, 200);
    let long = json!({
        "model": "a", "prompt": "x", "max_tokens": 300, "ignore_eos": true, "temperature": 0,
    });
    let alone: Value = server.post("/v1/completions", &long).json();
    // The gauge follows the answer: the next 1 must be the next request's.
    server.until_running(0);
    let running = server.begin("/v1/completions", &long);
    server.until_running(1);
    assert_eq!(load(&server, "a", "dora", true).0, 200);
    assert_eq!(unload(&server, "a"), 200);
    let answer = super::http::receive(running).json();
    assert_eq!(answer["adapter_generation"], alone["adapter_generation"]);
    assert_eq!(answer["choices"][0]["text"], alone["choices"][0]["text"]);
}
