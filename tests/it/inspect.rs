//! `wardrobe inspect`, run as a user runs it: what it says of sound things, the sentence and the exit
//! status for broken ones, and that no garbage makes it panic.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn wardrobe(args: &[&str], dir: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_wardrobe");
    Command::new(program).args(args).current_dir(dir).output().unwrap()
}

/// A folder with a tiny random model `model` and two adapters below it.
fn tiny() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let make = ["bench", "model", "--shape", "tiny", "--output", "model", "--adapters", "2"];
    let made = wardrobe(&[&make[..], &["--rank", "4"]].concat(), dir.path());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    dir
}

fn inspect(dir: &Path, args: &[&str]) -> (Option<i32>, Value, String) {
    let out = wardrobe(&[&["inspect", "--json"], args].concat(), dir);
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (out.status.code(), serde_json::from_slice(&out.stdout).unwrap_or_default(), stderr)
}

/// Expects exit status 1 and these words on standard error.
fn refused(dir: &Path, args: &[&str], words: &[&str]) {
    let (status, _, stderr) = inspect(dir, args);
    assert_eq!(status, Some(1), "{args:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: expected `{word}` in: {stderr}");
    }
}

fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    edit(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

#[test]
fn sound_things_are_described() {
    let dir = tiny();
    let (status, model, stderr) = inspect(dir.path(), &["model"]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert_eq!(model["kind"], "model folder");
    assert_eq!(model["architecture"], "Qwen2ForCausalLM");
    // Embedding 512x64; two layers of q, o 64x64, k, v 32x64, biases, three 160x64, two norms; a norm.
    let layer = 2 * 64 * 64 + 2 * 32 * 64 + 64 + 2 * 32 + 3 * 160 * 64 + 2 * 64;
    assert_eq!(model["parameters"], 512 * 64 + 2 * layer + 64);
    assert_eq!(model["tensors"]["BF16"]["tensors"], 26);
    let (status, adapter, _) = inspect(dir.path(), &["model/adapters/adapter-0"]);
    assert_eq!((status, &adapter["rank"]), (Some(0), &json!(4)));
    assert_eq!(adapter["modules"]["count"], 14);
    let args = ["model/adapters/adapter-1", "--model", "model"];
    let (status, fitted, _) = inspect(dir.path(), &args);
    assert_eq!(status, Some(0));
    assert_eq!(fitted["on_the_base"]["modules"].as_array().unwrap().len(), 14);
    assert_eq!(fitted["parameters"], fitted["on_the_base"]["parameters"]);
    assert_eq!(fitted["base_match"], "same");
    let adapter_config = dir.path().join("model/adapters/adapter-0/adapter_config.json");
    edit_json(&adapter_config, |config| config["base_model_name_or_path"] = json!("meta/Llama"));
    let args = ["model/adapters/adapter-0", "--model", "model"];
    assert_eq!(inspect(dir.path(), &args).1["base_match"], "different");
    let (status, both, _) = inspect(dir.path(), &["model/adapters"]);
    assert_eq!((status, both["holds"].as_array().unwrap().len()), (Some(0), 2));
    for file in ["config.json", "tokenizer.json", "generation_config.json"] {
        let path = format!("model/{file}");
        if dir.path().join(&path).exists() {
            assert_eq!(inspect(dir.path(), &[&path]).1["kind"], "model folder", "{file}");
        }
    }
    std::fs::write(dir.path().join("other.json"), "{\n  \"a\": 1\n}\n").unwrap();
    refused(dir.path(), &["other.json"], &["is of no kind that this program knows"]);
    std::fs::write(dir.path().join("rows.json"), "{\"text\": \"a\"}\n").unwrap();
    assert_eq!(inspect(dir.path(), &["rows.json"]).1["kind"], "JSONL data file");
    assert_eq!(inspect(dir.path(), &["model/model.safetensors"]).1["kind"], "safetensors file");
}

#[test]
fn a_part_of_a_folder_stands_for_it() {
    let dir = tiny();
    let more = dir.path().join("model/additional_chat_templates");
    std::fs::create_dir(&more).unwrap();
    std::fs::write(more.join("tool_use.jinja"), "{{ tools }}").unwrap();
    std::fs::write(more.join("notes.txt"), "no template").unwrap();
    std::fs::write(dir.path().join("model/chat_template.jinja"), "{{ messages }}").unwrap();
    let parts =
        ["chat_template.jinja", "tokenizer.json", "additional_chat_templates/tool_use.jinja"];
    for part in parts {
        let (status, found, stderr) = inspect(dir.path(), &[&format!("model/{part}")]);
        assert_eq!((status, &found["path"]), (Some(0), &json!("model")), "{part}: {stderr}");
    }
    let (status, found, _) = inspect(&more, &["../chat_template.jinja"]);
    assert_eq!((status, &found["path"]), (Some(0), &json!("..")));
    refused(&more, &["notes.txt"], &["of no kind that this program knows"]);
}

#[test]
fn a_configuration_of_another_model_is_found_out() {
    let dir = tiny();
    let config = dir.path().join("model/config.json");
    edit_json(&config, |config| config["intermediate_size"] = json!(128));
    refused(dir.path(), &["model"], &["gate_proj", "[160, 64]", "[128, 64]"]);
    edit_json(&config, |config| config["num_hidden_layers"] = json!(3));
    refused(dir.path(), &["model"], &["problems", "first"]);
    edit_json(&config, |config| config["use_sliding_window"] = json!(true));
    edit_json(&config, |config| config["architectures"] = json!(["MambaForCausalLM"]));
    refused(dir.path(), &["model"], &["MambaForCausalLM"]);
}

#[test]
fn missing_and_damaged_parts_of_a_model_are_named() {
    let dir = tiny();
    let model = dir.path().join("model");
    std::fs::write(model.join("tokenizer.json"), "{}").unwrap();
    refused(dir.path(), &["model"], &["tokenizer.json"]);
    std::fs::remove_file(model.join("tokenizer.json")).unwrap();
    refused(dir.path(), &["model"], &["tokenizer.json"]);
    let weights = model.join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 10]).unwrap();
    refused(dir.path(), &["model"], &["model.safetensors"]);
}

#[test]
fn numbers_that_are_not_finite_are_counted() {
    let dir = tiny();
    let weights = dir.path().join("model/model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    // The last tensor of the file in the writer's order is model.norm.weight.
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&[0xc0, 0x7f, 0x80, 0xff]);
    std::fs::write(&weights, &bytes).unwrap();
    refused(dir.path(), &["model"], &["`model.norm.weight` holds 2 numbers"]);
}

#[test]
fn an_adapter_that_disagrees_with_itself_is_refused() {
    let dir = tiny();
    let adapter = dir.path().join("model/adapters/adapter-0");
    let config = adapter.join("adapter_config.json");
    let args = ["model/adapters/adapter-0"];
    let on_the_base = ["model/adapters/adapter-0", "--model", "model"];
    edit_json(&config, |config| config["r"] = json!(8));
    refused(dir.path(), &args, &["rank 8", "rank 4"]);
    refused(dir.path(), &on_the_base, &["rank 8", "rank 4"]);
    edit_json(&config, |config| config["r"] = json!(4));
    edit_json(&config, |config| config["target_modules"] = json!(["q_proj"]));
    refused(dir.path(), &args, &["does not target"]);
    refused(dir.path(), &on_the_base, &["no place"]);
    std::fs::remove_file(adapter.join("adapter_model.safetensors")).unwrap();
    refused(dir.path(), &args, &["adapter_model.safetensors"]);
    std::fs::write(&config, "{\"peft_type\": \"IA3\"}").unwrap();
    refused(dir.path(), &args, &["IA3"]);
    std::fs::remove_file(&config).unwrap();
    std::fs::write(adapter.join("adapter_model.safetensors"), "").unwrap();
    refused(dir.path(), &args, &["it holds no adapter_config.json; expected an adapter folder"]);
}

#[test]
fn data_files_are_counted_and_bad_lines_named() {
    let dir = tempfile::tempdir().unwrap();
    let good = [
        r#"{"text": "one"}"#,
        "",
        r#"{"prompt": "a", "completion": "bc"}"#,
        r#"{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]}"#,
    ];
    std::fs::write(dir.path().join("good.jsonl"), good.join("\n")).unwrap();
    let (status, found, _) = inspect(dir.path(), &["good.jsonl"]);
    assert_eq!((status, &found["rows"], &found["characters"]), (Some(0), &json!(3), &json!(10)));
    assert_eq!(found["shapes"], json!({"messages": 1, "prompt + completion": 1, "text": 1}));
    let bad = [good[0], "{\"txt\": 1}", "[1]", "not json"].join("\n");
    std::fs::write(dir.path().join("bad.jsonl"), bad).unwrap();
    let (status, found, _) = inspect(dir.path(), &["bad.jsonl"]);
    assert_eq!((status, &found["bad_lines"]), (Some(1), &json!(3)));
    refused(dir.path(), &["bad.jsonl"], &["3 problems", "bad.jsonl:2"]);
    std::fs::write(dir.path().join("none.jsonl"), "\n\n").unwrap();
    refused(dir.path(), &["none.jsonl"], &["no record"]);
}

#[test]
fn runs_and_checkpoints_tell_how_far_they_came() {
    let dir = tiny();
    let run = dir.path().join("run");
    let checkpoint = run.join("checkpoint-20");
    copy_dir(&dir.path().join("model/adapters/adapter-0"), &checkpoint);
    let log = |step: u32, loss: Value| json!({"step": step, "loss": loss});
    let logs = [log(10, json!(2.5)), log(20, json!(1.25))];
    let state = json!({"global_step": 20, "max_steps": 40, "epoch": 0.5, "log_history": logs});
    std::fs::write(checkpoint.join("trainer_state.json"), state.to_string()).unwrap();
    let metrics = format!("{}\n{}\n", logs[0], logs[1]);
    std::fs::write(run.join("metrics.jsonl"), &metrics).unwrap();

    let (status, found, _) = inspect(dir.path(), &["run/checkpoint-20"]);
    assert_eq!((status, &found["kind"]), (Some(0), &json!("training checkpoint")));
    assert_eq!(found["step"], json!({"global_step": 20, "max_steps": 40}));
    assert_eq!(found["loss"], json!({"first": 2.5, "last": 1.25, "least": 1.25, "logs": 2}));
    assert_eq!((&found["resumable"], &found["rank"]), (&json!(false), &json!(4)));
    let (status, found, _) = inspect(dir.path(), &["run"]);
    assert_eq!((status, &found["checkpoints"]), (Some(0), &json!(["checkpoint-20"])));
    assert_eq!(found["loss"]["last"], 1.25);

    let diverged = format!("{metrics}{}\n", log(30, Value::Null));
    std::fs::write(run.join("metrics.jsonl"), diverged).unwrap();
    refused(dir.path(), &["run"], &["`loss` is null at step 30"]);
    std::fs::write(run.join("metrics.jsonl"), "{\"step\": 1, \"lo").unwrap();
    refused(dir.path(), &["run"], &["metrics.jsonl:1"]);
    std::fs::write(checkpoint.join("trainer_state.json"), "[]").unwrap();
    refused(dir.path(), &["run/checkpoint-20"], &["trainer_state.json", "object"]);
}

#[test]
fn garbage_of_every_name_gets_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), &["nowhere"], &["nowhere", "no such file or folder"]);
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    refused(dir.path(), &["empty"], &["holds nothing that this program knows"]);
    let mut state = 1u64;
    let mut garbage = |length: usize| -> Vec<u8> {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    };
    let names = ["a.safetensors", "a.jsonl", "a.json", "a.bin", "a"];
    let folders = [
        ("config.json", "model.safetensors"),
        ("adapter_config.json", "adapter_model.safetensors"),
        ("trainer_state.json", "metrics.jsonl"),
        ("model.safetensors.index.json", "tokenizer.json"),
    ];
    for length in [0, 1, 3, 7, 8, 9, 100, 5000] {
        for name in names {
            std::fs::write(dir.path().join(name), garbage(length)).unwrap();
            refused(dir.path(), &[name], &[name]);
        }
        for (first, second) in folders {
            let folder = dir.path().join("folder");
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join(first), garbage(length)).unwrap();
            std::fs::write(folder.join(second), garbage(length)).unwrap();
            refused(dir.path(), &["folder"], &["folder"]);
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }
    std::fs::write(dir.path().join("a.gguf"), b"GGUF\x03\0\0\0").unwrap();
    refused(dir.path(), &["a.gguf"], &["a.gguf"]);
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
