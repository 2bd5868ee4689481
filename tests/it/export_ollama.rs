//! `wardrobe export ollama`: families told by what a model's Jinja renders, and the program writing
//! folders and stores, also when it is killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use export::ollama::{Conversation, Family, GoTemplate, Modelfile, RECORDED_ON, Unknown, detect};
use formats::digest::sha256;
use serde_json::{Map, Value, json};
use wardrobe::model::{ChatTemplate, SpecialTokens};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Detects the family of a template text.
fn family(source: &str) -> Result<GoTemplate, Unknown> {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({"bos_token": "<|begin_of_text|>"});
    fs_err::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let special = SpecialTokens::load(dir.path()).unwrap();
    let (year, month, day) = RECORDED_ON;
    let then = chrono::NaiveDate::from_ymd_opt(year, month, day).unwrap();
    let clock = Arc::new(move || then.and_hms_opt(9, 0, 0).unwrap());
    let template = ChatTemplate::with_clock(source, &special, clock).unwrap();
    detect(&|conversation: &Conversation| {
        let mut kwargs = Map::new();
        if let Some(think) = conversation.think {
            kwargs.insert("enable_thinking".into(), think.into());
        }
        let (messages, tools) = (&conversation.messages, conversation.tools.as_ref());
        if conversation.continues {
            return template.render_continuing(messages, tools, &kwargs).ok();
        }
        template.render(messages, tools, true, &kwargs).ok()
    })
}

fn real(name: &str) -> Option<String> {
    let path = Path::new(ROOT).join(format!("../shared/data/templates/{name}.jinja"));
    fs_err::read_to_string(path).ok()
}

fn own() -> String {
    fs_err::read_to_string(Path::new(ROOT).join("recipes/chatml.jinja")).unwrap()
}

#[test]
fn a_family_is_told_by_what_it_renders() {
    assert_eq!(family(&own()).unwrap().family(), Family::ChatMlThink);
    // Another text that renders the same is of the family; one that differs in a byte is not.
    let rewritten = own().replace("for message in messages", "for m in messages");
    let rewritten = rewritten.replace("message.", "m.").replace("{#-", "{#- Rewritten.");
    assert_ne!(rewritten, own());
    assert_eq!(family(&rewritten).unwrap().family(), Family::ChatMlThink);
    let changed = own().replace("'\\n</think>\\n' }}", "'\\n</think>\\n\\n' }}");
    assert_ne!(changed, own());
    let unknown = family(&changed).unwrap_err();
    assert_eq!(unknown.nearest, Family::ChatMlThink);
    assert!(unknown.different.len() < unknown.of / 4, "{unknown:?}");
    assert!(family("{% for m in messages %}{{ m.content }}{% endfor %}").is_err());
}

#[test]
fn the_real_templates_are_of_their_families() {
    for (name, expected) in [
        ("qwen2.5-instruct", Family::Qwen2_5),
        ("qwen3", Family::Qwen3),
        ("llama-3.2-instruct", Family::Llama3_2),
    ] {
        let Some(source) = real(name) else {
            eprintln!("skipped: no template {name} beside the checkout");
            continue;
        };
        assert_eq!(family(&source).unwrap().family(), expected, "{name}");
    }
    let Some(llama) = real("llama-3.2-instruct") else { return };
    let fixed = llama.replace("strftime_now is defined", "false");
    assert_eq!(family(&fixed).unwrap().family(), Family::Llama3_1);
}

#[test]
fn another_default_system_prompt_is_followed() {
    let Some(qwen) = real("qwen2.5-instruct") else {
        eprintln!("skipped: no template qwen2.5-instruct beside the checkout");
        return;
    };
    let own = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
    assert_eq!(family(&qwen).unwrap().default_system(), own);
    for other in ["You are a helpful assistant.", "Größe {{ x }} \\\"🦀\\\"", ""] {
        let changed = qwen.replace(own, other);
        let found = family(&changed).unwrap();
        assert_eq!(found.family(), Family::Qwen2_5);
        assert_eq!(found.default_system(), other.replace('\\', ""));
    }
}

fn export(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.args(["export", "ollama", "--model", "checkpoints/initial"]).args(arguments);
    command
        .current_dir(ROOT)
        .stdin(Stdio::null())
        .env_remove("WARDROBE_LOG")
        .env_remove("RUST_LOG");
    command
}

fn succeed(arguments: &[&str]) -> Value {
    let output = export(arguments).arg("--json").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fail(arguments: &[&str]) -> String {
    let output: Output = export(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

/// The demo's folder, written by the program.
#[test]
fn the_demo_becomes_a_folder_that_says_what_it_proved() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("demo");
    let folder = path.to_str().unwrap();
    let arguments =
        ["--adapter", "checkpoints/sft", "--type", "q8_0", "--name", "demo", "--output", folder];
    let report = succeed(&arguments);
    assert_eq!(report["template"], "chatml-think");
    assert_eq!(report["models"], json!(["demo:latest"]));
    assert_eq!(report["warnings"], json!([]));
    let text = fs_err::read_to_string(path.join("Modelfile")).unwrap();
    let modelfile = Modelfile::parse(&text).unwrap();
    assert_eq!(modelfile.to_text().unwrap(), text);
    assert!(text.contains("PARAMETER stop \"<|im_end|>\"\nPARAMETER stop \"<|endoftext|>\"\n"));
    let proof = fs_err::read_to_string(path.join("template-proof.json")).unwrap();
    let proof: Value = serde_json::from_str(&proof).unwrap();
    let verdicts = proof["conversations"].as_array().unwrap();
    assert!(verdicts.len() >= 50 && verdicts.iter().all(|it| it["verdict"] == "same bytes"));
    assert!(proof["cannot"].as_array().unwrap().len() >= 10);

    assert!(fail(&arguments).contains("exists already; choose another name or give --force"));
    let again = succeed(&[&arguments[..], &["--force"]].concat());
    assert_eq!(again["digest"], report["digest"], "the same bytes again");
    assert_eq!(fs_err::read_dir(out.path()).unwrap().count(), 1, "no draft stays");
}

#[test]
fn adapters_of_one_base_share_its_blob() {
    let store = tempfile::tempdir().unwrap();
    let path = store.path().to_str().unwrap();
    let sft = "checkpoints/sft";
    let other = "other=checkpoints/sft";
    let base = ["--type", "q8_0", "--name", "demo:q8", "--store", path];
    let report = succeed(&[&base[..], &["--adapter", sft, "--adapter", other]].concat());
    assert_eq!(report["models"], json!(["demo:q8", "demo-sft:q8", "demo-other:q8"]));
    assert_eq!(check_store(store.path()), 3);
    let size = |digest: &Value| {
        let name = digest.as_str().unwrap().replace(':', "-");
        fs_err::metadata(store.path().join("blobs").join(name)).unwrap().len()
    };
    let shared = report["shared_bytes"].as_u64().unwrap();
    assert!(shared > 2 * size(&report["gguf"]), "{report}");
    for name in ["sft", "other"] {
        let modules = report["export"]["adapters"][name]["modules"].as_array().unwrap();
        assert!(modules.len() > 40, "{report}");
        assert!(modules.iter().all(|it| it["relative_error"].as_f64().unwrap() < 1e-6));
    }
    let kept = ["--type", "q8_0", "--name", "kept", "--keep-adapters", "--adapter", sft];
    let again = succeed(&[&kept[..], &["--store", path]].concat());
    assert_eq!(again["models"], json!(["kept:latest", "kept-sft:latest"]));
    assert_eq!(check_store(store.path()), 5);
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("x");
    let folder = folder.to_str().unwrap();
    let to = ["--name", "demo", "--output", folder];
    let with = |more: &[&str]| fail(&[&to, more].concat());
    assert!(with(&["--adapter", "checkpoints/none"]).contains("checkpoints/none"));
    assert!(with(&["--template", "none.gotmpl"]).contains("none.gotmpl"));
    assert!(with(&["--license", "none.txt"]).contains("none.txt"));
    assert!(with(&["--gguf", "Cargo.toml"]).contains("Cargo.toml"));
    let both = ["--adapter", "checkpoints/sft", "--gguf", "Cargo.toml"];
    assert!(with(&both).contains("--keep-adapters"));
    let store = out.path().join("new/store");
    let broken = ["--name", "a", "--gguf", "Cargo.toml", "--store", store.to_str().unwrap()];
    assert!(fail(&broken).contains("Cargo.toml"));
    assert_eq!(fs_err::read_dir(out.path()).unwrap().count(), 0, "nothing is left");
    for wrong in [
        &["--name", "../x", "--output", "y"][..],
        &["--name", "x"],
        &["--name", "x", "--output", "y", "--type", "q9"],
    ] {
        let output = export(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

/// Every model that the store names is whole.
fn check_store(store: &Path) -> usize {
    let mut dirs = vec![store.join("manifests")];
    let mut manifests = Vec::new();
    while let Some(dir) = dirs.pop().filter(|dir| dir.exists()) {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let hidden = path.file_name().unwrap().to_str().unwrap().starts_with('.');
            match (path.is_dir(), hidden) {
                (true, _) => dirs.push(path),
                (false, false) => manifests.push(path),
                (false, true) => {}
            }
        }
    }
    for path in &manifests {
        let manifest: Value = serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap();
        for blob in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
            let digest = blob["digest"].as_str().unwrap();
            let bytes = fs_err::read(store.join("blobs").join(digest.replace(':', "-"))).unwrap();
            assert_eq!(digest, format!("sha256:{}", sha256(&bytes)));
        }
    }
    manifests.len()
}

#[test]
fn a_store_is_whole_whenever_the_program_is_killed() {
    let store = tempfile::tempdir().unwrap();
    let path = store.path().to_str().unwrap();
    succeed(&["--type", "f16", "--name", "first", "--store", path]);
    assert_eq!(check_store(store.path()), 1);
    for (step, kind) in ["f32", "bf16", "q8_0", "q4_0", "q5_0", "q4_1"].into_iter().enumerate() {
        let name = format!("killed{step}");
        let mut child = export(&["--type", kind, "--name", &name, "--store", path])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(60 * step as u64 + 20));
        drop(child.kill());
        child.wait().unwrap();
        check_store(store.path());
    }
    succeed(&["--type", "f32", "--name", "killed0", "--store", path, "--force"]);
    assert!(check_store(store.path()) >= 2);
}
