//! `wardrobe merge` as a user meets it: the folder it writes, what it refuses, and that a target is
//! there whole or not at all.

use crate::tiny::{checkpoint, golden};
use formats::{Checkpoint, Dtype, ModelConfig};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A base with everything that stands beside weights.
struct Base {
    folder: tempfile::TempDir,
}

impl Base {
    fn new() -> Self {
        let folder = checkpoint(&golden("model", "qwen3_untied_gqa2"));
        fs_err::create_dir_all(folder.path().join("additional_chat_templates/old")).unwrap();
        for (name, text) in [
            ("tokenizer.json", "{}"),
            ("chat_template.jinja", "{{ messages }}"),
            ("additional_chat_templates/tool_use.jinja", "{{ tools }}"),
            ("additional_chat_templates/notes.txt", "no template"),
            ("generation_config.json", "{\"eos_token_id\": [2, 3]}"),
            ("LICENSE", "free"),
            ("README.md", "about the base"),
            ("training_args.bin", "pickle"),
        ] {
            fs_err::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `merge --model BASE --adapter CASE --output BASE/OUTPUT ...`
    fn arguments(&self, case: &str, output: &str, more: &[&str]) -> Vec<String> {
        let (model, adapter) = (self.path().to_owned(), golden("adapters", case));
        let paths =
            [("--model", model), ("--adapter", adapter), ("--output", self.path().join(output))];
        let mut arguments = vec!["merge".to_owned()];
        for (flag, path) in paths {
            arguments.extend([flag.to_owned(), path.to_str().unwrap().to_owned()]);
        }
        arguments.extend(more.iter().map(|more| (*more).to_owned()));
        arguments
    }

    fn merge(&self, case: &str, output: &str, more: &[&str]) -> Output {
        wardrobe().args(self.arguments(case, output, more)).output().unwrap()
    }

    /// Hidden names: drafts and folders put aside.
    fn left_behind(&self) -> Vec<PathBuf> {
        let entries = fs_err::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        let hidden = |path: &PathBuf| path.file_name().unwrap().as_encoded_bytes()[0] == b'.';
        entries.filter(hidden).collect()
    }
}

fn wardrobe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.env_remove("WARDROBE_LOG").env_remove("RUST_LOG");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_folder_is_a_model_with_all_that_belongs_to_it() {
    let base = Base::new();
    let done = base.merge(
        "all_linear",
        "out",
        &["--dtype", "bf16", "--max-shard-size", "100KB", "--json"],
    );
    assert!(done.status.success(), "{}", text(&done.stderr));
    let out = base.path().join("out");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let saved: Value =
        serde_json::from_slice(&fs_err::read(out.join("merge-report.json")).unwrap()).unwrap();
    assert_eq!(report, saved);

    let mut names: Vec<String> = fs_err::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let beside = ["LICENSE", "README.md", "chat_template.jinja", "config.json"];
    let more = ["generation_config.json", "merge-report.json", "tokenizer.json"];
    assert!(
        beside.iter().chain(&more).all(|name| names.iter().any(|found| found == name)),
        "{names:?}"
    );
    assert!(!names.iter().any(|name| name == "training_args.bin"), "{names:?}");
    let templates = out.join("additional_chat_templates");
    assert_eq!(fs_err::read_to_string(templates.join("tool_use.jinja")).unwrap(), "{{ tools }}");
    assert_eq!(fs_err::read_dir(&templates).unwrap().count(), 1);
    let digests = report["files"].as_array().unwrap().iter().map(|file| file["name"].as_str());
    assert!(digests.into_iter().any(|it| it == Some("additional_chat_templates/tool_use.jinja")));
    assert!(names.contains(&"model-00001-of-00003.safetensors".to_owned()), "{names:?}");
    let card = fs_err::read_to_string(out.join("README.md")).unwrap();
    assert!(card.contains("all_linear") && !card.contains("about the base"), "{card}");

    let checkpoint = Checkpoint::open(&out).unwrap();
    assert!(checkpoint.names().all(|name| checkpoint.get(name).unwrap().dtype == Dtype::BF16));
    assert_eq!(ModelConfig::read(&out).unwrap().dtype, Some(Dtype::BF16));
    assert_eq!(report["modules"].as_array().unwrap().len(), 14);
    let total = &report["total"];
    let (changed, lost) = (total["changed"].as_u64().unwrap(), total["lost"].as_u64().unwrap());
    assert!(changed > 70_000 && lost > 0 && lost < changed / 10, "{total}");
    assert_eq!(report["adapters"][0]["weight"], 1.0);
    assert_eq!(report["base"]["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn the_training_of_the_base_is_not_that_of_the_result() {
    use wardrobe::train::{checkpoint, record, trainer_state};
    let base = Base::new();
    let (log, state) = (trainer_state::METRICS, trainer_state::TRAINER_STATE);
    let of_training = [log, state, record::RECORD, checkpoint::RUN_STATE];
    for name in of_training {
        fs_err::write(base.path().join(name), "{\"step\": 1, \"loss\": 5.6}\n").unwrap();
    }
    let done = base.merge("all_linear", "out", &[]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let out = base.path().join("out");
    for name in of_training {
        assert!(!out.join(name).exists(), "{name}");
    }
    let inspected = wardrobe().args(["inspect", "--json"]).arg(&out).output().unwrap();
    let found: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!((&found["kind"], found.get("loss")), (&"model folder".into(), None));
}

#[test]
fn the_figures_are_those_of_the_definition() {
    let base = Base::new();
    let done = base.merge("dora", "out", &["--json"]);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let module = &report["modules"][0];
    let name = module["tensor"].as_str().unwrap();
    let read = |dir: &Path| Checkpoint::open(dir).unwrap().get(name).unwrap().to_f32().unwrap();
    let (old, new) = (read(base.path()), read(&base.path().join("out")));
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let delta = length(&mut old.iter().zip(&new).map(|(a, b)| f64::from(b - a)));
    let whole = length(&mut old.iter().map(|v| f64::from(*v)));
    let figure = |key: &str| module[key].as_f64().unwrap();
    assert!((figure("delta_norm") / delta - 1.0).abs() < 1e-9);
    assert!((figure("base_norm") / whole - 1.0).abs() < 1e-9);
    assert!((figure("ratio") / (delta / whole) - 1.0).abs() < 1e-9);
    assert_eq!(module["entries"], old.len());
    // Nothing is rounded.
    assert_eq!(module["lost"], 0);
}

#[test]
fn threads_do_not_change_a_byte() {
    let base = Base::new();
    let digest = |threads: &str, output: &str| {
        let arguments = base.arguments("embed", output, &["--dtype", "f16", "--json"]);
        let done = wardrobe().args(arguments).env("RAYON_NUM_THREADS", threads).output().unwrap();
        let report: Value = serde_json::from_slice(&done.stdout).unwrap();
        report["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(digest("1", "one"), digest("4", "four"));
    let report =
        |name: &str| fs_err::read(base.path().join(name).join("merge-report.json")).unwrap();
    assert_eq!(report("one"), report("four"));
}

#[test]
fn a_target_that_exists_is_kept_unless_forced() {
    let base = Base::new();
    let out = base.path().join("out");
    fs_err::create_dir(&out).unwrap();
    fs_err::write(out.join("precious"), "mine").unwrap();
    let refused = base.merge("all_linear", "out", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("exists already"), "{}", text(&refused.stderr));
    assert_eq!(fs_err::read_to_string(out.join("precious")).unwrap(), "mine");
    let refused = base.merge("all_linear", "out", &["--force"]);
    assert!(text(&refused.stderr).contains("holds other things"), "{}", text(&refused.stderr));
    assert_eq!(fs_err::read_to_string(out.join("precious")).unwrap(), "mine");
    fs_err::write(out.join("config.json"), "{}").unwrap();
    assert!(base.merge("all_linear", "out", &["--force"]).status.success());
    assert!(!out.join("precious").exists() && out.join("model.safetensors").exists());
    assert_eq!(base.left_behind(), [] as [PathBuf; 0]);
}

#[test]
fn what_does_not_fit_is_one_sentence_and_leaves_nothing() {
    let base = Base::new();
    let ties = ["--combine", "ties"];
    let two = ["--adapter", "x", "--weight", "1"];
    for (case, more, sentence) in [
        ("lora_on_biases", &[][..], "the adapter was trained on another model"),
        ("lora_bias_no_base_bias", &[], "has no bias in the base model"),
        ("no_such_folder", &[], "is not a folder"),
        ("all_linear", &ties, "--combine `ties` needs a density"),
        (
            "all_linear",
            &two,
            "found 2 --adapter but 1 --weight; give one --weight for each, or none",
        ),
        ("all_linear", &["--tokenizer", "/nowhere"], "holds no tokenizer.json"),
        ("all_linear", &["--dtype", "f16", "--weight", "1e6"], "which F16 cannot hold"),
    ] {
        let failed = base.merge(case, "out", more);
        let stderr = text(&failed.stderr);
        assert_eq!(failed.status.code(), Some(1), "{stderr}");
        let error: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(error.len() == 1 && error[0].contains(sentence), "{stderr}");
        assert!(!base.path().join("out").exists());
        assert_eq!(base.left_behind(), [] as [PathBuf; 0], "{sentence}");
    }
}

/// Under a limit on the size of files, a write beyond it fails as on a full disk, or, where the signal
/// is not ignored, kills the process in the midst of it.
#[test]
fn a_write_that_is_cut_short_leaves_the_old_folder() {
    let base = Base::new();
    assert!(base.merge("all_linear", "out", &[]).status.success());
    let before = fs_err::read(base.path().join("out/model.safetensors")).unwrap();
    let arguments = base.arguments("dora", "out", &["--force"]);
    for (blocks, ignore) in
        [(0, true), (1, true), (200, true), (1, false), (50, false), (200, false)]
    {
        let trap = if ignore { "trap '' XFSZ;" } else { "" };
        let script = format!("{trap} ulimit -c 0 -f {blocks}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_wardrobe")).args(&arguments);
        let cut = shell.output().unwrap();
        assert!(!cut.status.success(), "{blocks}");
        assert_eq!(fs_err::read(base.path().join("out/model.safetensors")).unwrap(), before);
        if ignore {
            let stderr = text(&cut.stderr);
            assert!(
                stderr.contains("cannot write") && stderr.contains("File too large"),
                "{stderr}"
            );
            let meant = format!("{}/out/", base.path().display());
            assert!(stderr.contains(&meant) && !stderr.contains(".draft"), "{stderr}");
            assert_eq!(base.left_behind(), [] as [PathBuf; 0]);
        }
    }
    // The next run is none the worse for what a killed one left.
    assert!(base.merge("dora", "out", &["--force"]).status.success());
    assert_ne!(fs_err::read(base.path().join("out/model.safetensors")).unwrap(), before);
}

#[test]
fn several_adapters_add_up() {
    let base = Base::new();
    let rslora = golden("adapters", "rslora");
    let rslora = rslora.to_str().unwrap();
    let weights = ["--adapter", rslora, "--weight", "0.5", "--weight", "-2"];
    assert!(base.merge("dora", "both", &weights).status.success());
    let single = |case, output| assert!(base.merge(case, output, &[]).status.success());
    single("dora", "first");
    single("rslora", "second");
    let name = "model.layers.1.self_attn.q_proj.weight";
    let read = |dir: &str| {
        let checkpoint = Checkpoint::open(&base.path().join(dir)).unwrap();
        checkpoint.get(name).unwrap().to_f32().unwrap()
    };
    let (old, both, first, second) = (read("."), read("both"), read("first"), read("second"));
    for (i, old) in old.iter().enumerate() {
        let expected = old + 0.5 * (first[i] - old) - 2.0 * (second[i] - old);
        assert!((both[i] - expected).abs() < 2e-6, "{i}: {} {expected}", both[i]);
    }
}

#[test]
fn folders_above_the_result_are_made_and_go_again_if_it_fails() {
    let base = Base::new();
    assert!(base.merge("dora", "some/new/place", &[]).status.success());
    assert!(base.path().join("some/new/place/model.safetensors").exists());
    let failed = base.merge("lora_bias_no_base_bias", "other/new/place", &[]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(!base.path().join("other").exists());
    // What was there before stays, empty or not.
    fs_err::create_dir(base.path().join("empty")).unwrap();
    assert_eq!(base.merge("lora_bias_no_base_bias", "empty/place", &[]).status.code(), Some(1));
    assert!(base.path().join("empty").is_dir());
    let file = base.merge("dora", "LICENSE/place", &[]);
    let stderr = text(&file.stderr);
    assert!(stderr.contains("cannot make the folder of") && stderr.contains("LICENSE"), "{stderr}");
}

#[test]
fn a_weight_is_a_number_that_single_precision_holds() {
    let base = Base::new();
    for weight in ["nan", "inf", "-1e39", "1e39", "much", ""] {
        let refused = base.merge("dora", "out", &["--weight", weight]);
        let stderr = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("expected a number such as 0.7 or -1"), "{stderr}");
    }
    assert!(!base.path().join("out").exists());
}
