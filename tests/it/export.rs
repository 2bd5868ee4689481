//! `wardrobe export` as a user runs it, on the bundled base and its adapter.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use candle_core::Device;
use candle_core::quantized::gguf_file;
use export::gguf::FileType;
use export::merge::Combination;
use export::{DenseWeights, GgufWeights, Merged, Weights};
use formats::ModelConfig;
use formats::gguf::GgufFile;
use formats::peft::AdapterFiles;
use kernels::blocks::{BlockType, dequantize_rows};
use serde_json::Value;
use wardrobe::train::checkpoint::{RUN_STATE, RunState, write_json};
use wardrobe::train::metrics::Meter;

use crate::gguf::with_metadata;
use crate::tiny::largest_difference;

fn checkpoint(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints").join(name)
}

fn export(arguments: &[&str]) -> Output {
    let (model, adapter) = (checkpoint("initial"), checkpoint("sft"));
    let fill = |argument: &&str| match *argument {
        "BASE" => model.clone().into_os_string(),
        "ADAPTER" => adapter.clone().into_os_string(),
        other => other.into(),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.arg("export").args(arguments.iter().map(fill)).stdin(Stdio::null());
    command.env_remove("WARDROBE_LOG").env_remove("RUST_LOG").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The sentence of an export that failed.
fn failed(arguments: &[&str], status: i32) -> String {
    let output = export(arguments);
    assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn a_base_becomes_a_file_and_the_result_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demo.gguf");
    let out = path.to_str().unwrap();
    let arguments = ["gguf", "--model", "BASE", "--type", "q8_0", "--output", out, "--json"];
    let output = export(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["bytes"].as_u64(), Some(fs_err::metadata(&path).unwrap().len()));
    assert_eq!(said["type"], "Q8_0");
    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.metadata().str("general.name"), Some("initial"));
    assert_eq!(file.metadata().str("wardrobe.base.0.name"), Some("initial"));
    assert!(file.metadata().get("general.base_model.count").is_none());

    let again = failed(&arguments, 1);
    assert!(again.contains("demo.gguf exists already; choose another name or give --force"));
    let forced = export(&[&arguments[..], &["--force"]].concat());
    let second: Value = serde_json::from_slice(&forced.stdout).unwrap();
    assert_eq!(said["sha256"], second["sha256"], "the same input gives the same bytes");
}

#[test]
fn an_adapter_is_merged_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sft.gguf");
    let out = path.to_str().unwrap();
    let common = ["gguf", "--model", "BASE", "--adapter", "ADAPTER", "--type", "f32"];
    let output = export(&[&common[..], &["--output", out]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("sha256 "), "{}", text(&output.stdout));
    let base = checkpoint("initial");
    let config = ModelConfig::read(&base).unwrap();
    let adapter = AdapterFiles::read(&checkpoint("sft")).unwrap();
    let dense = Box::new(DenseWeights::open(&base).unwrap());
    let adapters = vec![(adapter, 1.0)];
    let merged = Merged::new(dense, &config, &base, adapters, &Combination::Sum).unwrap();
    let written = GgufWeights::open(&path).unwrap();
    let metadata = written.file().metadata();
    assert_eq!(metadata.str("general.name"), Some("initial-sft"));
    assert_eq!(metadata.str("general.base_model.0.name"), Some("initial"));
    assert_eq!(metadata.str("wardrobe.adapter.0.name"), Some("sft"));
    assert_eq!(metadata.str("wardrobe.adapter.0.sha256").map(str::len), Some(64));
    let mut compared = 0;
    for tensor in merged.tensors() {
        let read = |weights: &dyn Weights| {
            let tensor = weights.tensors().iter().find(|t| t.name == tensor.name).unwrap();
            let mut values = vec![0.0; tensor.elements()];
            weights.read_rows(tensor, 0..tensor.rows(), &mut values).unwrap();
            values
        };
        assert_eq!(read(&merged), read(&written), "{}", tensor.name);
        compared += 1;
    }
    assert_eq!(compared, 2 + config.num_hidden_layers * 11);
}

#[test]
fn what_we_trained_carries_its_data_into_every_package() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (base, data, adapter) = (checkpoint("initial"), at("few.jsonl"), at("mine"));
    let base = base.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    run(&["data", "generate", "countdown", "--kind", "sft", "--n", "4", "--output", &data]);
    let train = ["train", "sft", "--model", base, "--data", &data, "--output", &adapter];
    let short = ["--max-steps", "2", "--lora-r", "2", "--batch-size", "2", "--save-steps", "0"];
    run(&[&train[..], &short, &["--eval-fraction", "0"]].concat());
    let record: Value =
        serde_json::from_slice(&fs_err::read(dir.path().join("mine/training.json")).unwrap())
            .unwrap();
    assert_eq!(record["data"], serde_json::json!(["few.jsonl"]));
    assert_eq!(record["steps"], 2);
    let digest = record["data_digest"].as_str().unwrap();
    assert_eq!(digest.len(), 64);

    for (command, name) in [("gguf", "model.gguf"), ("gguf-adapter", "lora.gguf")] {
        let path = at(name);
        run(&["export", command, "--model", base, "--adapter", &adapter, "--output", &path]);
        let file = GgufFile::open(Path::new(&path)).unwrap();
        let said = |key: &str| file.metadata().str(&format!("wardrobe.{key}")).map(str::to_owned);
        assert_eq!(said("data.0.name").as_deref(), Some("few.jsonl"), "{command}");
        assert_eq!(said("data.0.sha256").as_deref(), Some(digest), "{command}");
        assert_eq!(said("base.0.sha256").map(|it| it.len()), Some(64), "{command}");
        assert_eq!(said("adapter.0.sha256").map(|it| it.len()), Some(64), "{command}");
        assert_eq!(said("tool").as_deref(), Some(wardrobe::TOOL), "{command}");
    }
    let merged = at("merged");
    run(&["merge", "--model", base, "--adapter", &adapter, "--output", &merged]);
    let card = fs_err::read_to_string(dir.path().join("merged/README.md")).unwrap();
    assert!(card.contains(&format!("| data | few.jsonl | | `{digest}` |")), "{card}");
}

#[test]
fn a_file_tells_what_it_was_trained_on_and_what_its_card_says() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs_err::copy(checkpoint("sft").join(file), dir.path().join(file)).unwrap();
    }
    let adapter = dir.path().to_str().unwrap();
    let made = |command: &str, name: &str| {
        let path = dir.path().join(name);
        let arguments = ["--model", "BASE", "--adapter", adapter, "--force", "--output"];
        let output = export(&[&[command][..], &arguments, &[path.to_str().unwrap()]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        GgufFile::open(&path).unwrap()
    };
    let said = |file: &GgufFile| {
        let read = |key: &str| file.metadata().str(&format!("wardrobe.data.0.{key}"));
        [read("name"), read("sha256")].map(|text| text.map(str::to_owned))
    };
    assert_eq!(said(&made("gguf", "model.gguf")), [None, None]);
    let settings = serde_json::json!({"data": ["some/one.jsonl", "two.csv"], "data_digest": "ab"});
    let state = RunState::new(4, Meter::default(), settings.as_object().unwrap().clone());
    for folder in ["checkpoint-3", "checkpoint-20", ""] {
        let record = dir.path().join(folder).join(RUN_STATE);
        fs_err::create_dir_all(record.parent().unwrap()).unwrap();
        if folder == "checkpoint-3" {
            fs_err::write(record, "{").unwrap();
            let sentence = failed(&["gguf", "--model", "BASE", "--adapter", adapter, "-o", "x"], 1);
            assert!(sentence.contains("was trained on"), "{sentence}");
            continue;
        }
        write_json(&record, &state).unwrap();
        for (command, name) in [("gguf", "model.gguf"), ("gguf-adapter", "adapter.gguf")] {
            let expected = ["one.jsonl, two.csv", "ab"].map(|text| Some(text.to_owned()));
            assert_eq!(said(&made(command, name)), expected, "{command} {folder}");
        }
    }
    let tags = made("gguf", "model.gguf").metadata().strings("general.tags").unwrap().to_vec();
    assert_eq!(tags, ["wardrobe", "text-generation"]);
}

#[test]
fn an_adapter_becomes_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lora.gguf");
    let out = path.to_str().unwrap();
    let common = ["gguf-adapter", "--model", "BASE", "--adapter", "ADAPTER", "--output"];
    let output = export(&[&common[..], &[out, "--json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.metadata().str("general.type"), Some("adapter"));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["tensors"].as_u64(), Some(file.tensors().len() as u64));
    let modules = said["proof"]["modules"].as_array().unwrap();
    assert_eq!(2 * modules.len(), file.tensors().len());
    assert!(modules.iter().all(|it| it["relative_error"].as_f64().unwrap() < 1e-6), "{said}");
    assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1, "no draft stays");
    assert!(failed(&[&common[..], &[out]].concat(), 1).contains("exists already"));
}

#[test]
fn a_gguf_file_can_be_the_base() {
    let dir = tempfile::tempdir().unwrap();
    let [full, half, direct] =
        ["full.gguf", "half.gguf", "direct.gguf"].map(|name| dir.path().join(name));
    let gguf = |model: &str, kind: &str, to: &Path| {
        let to = to.to_str().unwrap();
        let output = export(&["gguf", "--model", model, "--type", kind, "--output", to]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    gguf("BASE", "bf16", &full);
    let license = [("", "other"), (".name", "ACME"), (".link", "https://a.b")];
    let license = license.map(|(key, text)| (format!("general.license{key}"), text));
    add_texts(&full, &license);
    gguf(full.to_str().unwrap(), "q4_k_m", &half);
    gguf("BASE", "q4_k_m", &direct);
    let [half, direct] = [half, direct].map(|path| GgufFile::open(&path).unwrap());
    for (ours, theirs) in half.tensors().iter().zip(direct.tensors()) {
        assert_eq!(ours.name, theirs.name);
        assert_eq!(half.tensor_bytes(ours), direct.tensor_bytes(theirs), "{}", ours.name);
    }
    for key in ["tokens", "token_type", "merges", "eos_token_id", "pre"] {
        let key = format!("tokenizer.ggml.{key}");
        assert_eq!(half.metadata().get(&key), direct.metadata().get(&key), "{key}");
    }
    let template = "tokenizer.chat_template";
    assert_eq!(half.metadata().str(template), direct.metadata().str(template));
    for (key, text) in license {
        assert_eq!(half.metadata().str(&key), Some(text), "{key}");
    }
}

/// Adds metadata to a GGUF file.
fn add_texts(path: &Path, texts: &[(String, &str)]) {
    let file = GgufFile::open(path).unwrap();
    let mut metadata = file.metadata().clone();
    for (key, text) in texts {
        metadata.set(key.as_str(), formats::gguf::Value::String((*text).to_owned()));
    }
    let changed = path.with_extension("changed");
    with_metadata(&file, &metadata, &changed);
    fs_err::rename(changed, path).unwrap();
}

/// Largest difference between candle's values and ours, relative to the largest value.
fn candle_differs(path: &Path) -> f32 {
    let ours = GgufFile::open(path).unwrap();
    let mut file = fs_err::File::open(path).unwrap();
    let theirs = gguf_file::Content::read(&mut file).unwrap();
    assert_eq!(theirs.tensor_infos.len(), ours.tensors().len());
    assert_eq!(theirs.metadata.len(), ours.metadata().len());
    let mut worst = 0.0_f32;
    for tensor in ours.tensors() {
        let read = theirs.tensor(&mut file, &tensor.name, &Device::Cpu).unwrap();
        assert_eq!(read.shape().dims(), tensor.shape, "{}", tensor.name);
        let read = read.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap();
        let mut values = vec![0.0; read.elem_count()];
        let kind = BlockType::from_id(tensor.kind.id).unwrap();
        dequantize_rows(kind, ours.tensor_bytes(tensor), &mut values);
        let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let read = read.to_vec1::<f32>().unwrap();
        worst = worst.max(largest_difference(&read, &values) / largest);
    }
    worst
}

#[test]
fn candle_reads_every_type_to_the_same_values() {
    let dir = tempfile::tempdir().unwrap();
    for kind in FileType::ALL {
        let path = dir.path().join(format!("{kind}.gguf"));
        let out = path.to_str().unwrap();
        let output = export(&["gguf", "--model", "BASE", "--type", kind.name(), "--output", out]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let difference = candle_differs(&path);
        assert!(difference <= 1e-6, "{kind}: {difference}");
    }
}

#[test]
fn several_adapters_are_compared_by_their_answers_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("both.gguf");
    let adapters = ["--adapter", "ADAPTER", "--weight", "0.4", "--adapter", "ADAPTER"];
    let more = ["--weight", "0.5", "--type", "f16", "--json", "--output", path.to_str().unwrap()];
    let output = export(&[&["gguf", "--model", "BASE"][..], &adapters, &more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let behaviour = &said["proof"]["behaviour"];
    assert!(behaviour["top1_agreement"].as_f64().unwrap() > 0.98, "{behaviour}");
    assert!(behaviour["mean_kl"].as_f64().unwrap() < 1e-3, "{behaviour}");
    let summary = said["proof"]["summary"].as_str().unwrap();
    assert!(summary.contains("100.0 % of the adapters' change carried"), "{summary}");
}

#[test]
fn wrong_use_gets_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.gguf");
    let out = path.to_str().unwrap();
    let kind = failed(&["gguf", "--model", "BASE", "--type", "q9", "--output", out], 2);
    assert!(kind.contains("there is no type `q9`; there are f32, f16, bf16, q8_0"), "{kind}");
    let weights = ["gguf", "--model", "BASE", "--weight", "0.5", "--output", out];
    assert!(failed(&weights, 1).contains("found 0 --adapter but 1 --weight"));
    let few = ["gguf", "--adapter", "a", "--adapter", "b", "--weight", "0.5", "--output", out];
    assert!(failed(&few, 1).contains("found 2 --adapter but 1 --weight"));
    let no_number = ["gguf", "--adapter", "a", "--weight", "nan", "--output", out];
    assert!(failed(&no_number, 2).contains("expected a number such as 0.7 or -1"));
    let missing = ["gguf", "--model", "BASE", "--adapter", "no/adapter", "--output", out];
    assert!(failed(&missing, 1).contains("cannot read --adapter no/adapter"));
    let imatrix = ["gguf", "--model", "BASE", "--imatrix", "BASE/config.json", "--output", out];
    assert!(failed(&imatrix, 1).contains("config.json"));
    assert!(!path.exists());
}
