//! `wardrobe dequantize` as a user runs it, and the choice of a base to merge onto.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use export::{QuantizedWeights, Weights, open_weights};
use formats::{Dtype, ModelConfig, NamedTensor, write_safetensors};
use serde_json::Value;
use wardrobe::model::{Decoder, WeightFormat};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.args(arguments).env_remove("WARDROBE_LOG").env_remove("RUST_LOG");
    command.output().unwrap()
}

fn ok(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn error(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The tiny NF4 model that transformers wrote.
fn quantized() -> String {
    root("export/tests/golden/quantized/model").to_str().unwrap().to_owned()
}

fn values(weights: &dyn Weights, name: &str) -> Vec<f32> {
    let info = weights.tensors().iter().find(|info| info.name == name).unwrap();
    let mut values = vec![0.0; info.elements()];
    weights.read_rows(info, 0..info.rows(), &mut values).unwrap();
    values
}

#[test]
fn a_quantized_folder_becomes_a_dense_one_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("dense");
    let target = output.to_str().unwrap();
    let arguments = ["dequantize", "--model", &quantized(), "--output", target, "--dtype", "f32"];
    let said = ok(&[arguments.as_slice(), &["--json"]].concat());
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["method"], &report["quantized"]), (&"bitsandbytes".into(), &7.into()));

    let config = ModelConfig::read(&output).unwrap();
    assert_eq!(config.dtype, Some(Dtype::F32));
    Decoder::load(&output, WeightFormat::F32).unwrap();
    let source = QuantizedWeights::open(Path::new(&quantized())).unwrap();
    let written = open_weights(&output).unwrap();
    assert_eq!(written.tensors().len(), source.tensors().len());
    for info in source.tensors() {
        assert_eq!(values(&*written, &info.name), values(&source, &info.name), "{}", info.name);
    }

    assert!(error(&arguments).contains("exists already"));
    let again = ok(&[arguments.as_slice(), &["--force", "--json"]].concat());
    assert_eq!(again, said, "the same input gives the same bytes");
    let never = dir.path().join("never");
    let never = never.to_str().unwrap();
    let dense = error(&["dequantize", "--model", target, "--output", never]);
    assert!(dense.contains("weights are not quantized"), "{dense}");
    assert!(!Path::new(never).exists());
}

#[test]
fn a_gguf_file_becomes_a_dense_folder_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["qwen2", "llama3"] {
        let output = dir.path().join(name);
        let file = root(&format!("tests/golden/gguf_source/{name}.gguf"));
        let (file, target) = (file.to_str().unwrap(), output.to_str().unwrap());
        let said = ok(&["dequantize", "--model", file, "--output", target]);
        assert!(said.contains("stored in blocks by gguf"), "{said}");
        Decoder::load(&output, WeightFormat::Bf16).unwrap();
        wardrobe::model::Tokenizer::load(&output).unwrap();
        wardrobe::model::ChatTemplate::load(&output).unwrap().unwrap();
    }
}

/// The bundled base with its linear layers in LLM.int8, of which only `levels` steps each way are used.
fn coarse_base(dir: &Path, levels: f32) {
    let original = root("checkpoints/initial");
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        fs_err::copy(original.join(name), dir.join(name)).unwrap();
    }
    let mut config: Value =
        serde_json::from_slice(&fs_err::read(original.join("config.json")).unwrap()).unwrap();
    config["quantization_config"] =
        serde_json::json!({"quant_method": "bitsandbytes", "load_in_8bit": true});
    fs_err::write(dir.join("config.json"), config.to_string()).unwrap();

    let weights = open_weights(&original).unwrap();
    let mut tensors: Vec<NamedTensor<'static>> = Vec::new();
    for info in weights.tensors() {
        let values = values(&*weights, &info.name);
        let Some(module) = info.name.strip_suffix("_proj.weight") else {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
            tensors.push((info.name.clone(), Dtype::F32, info.shape.clone(), bytes.into()));
            continue;
        };
        let (mut codes, mut scales) = (Vec::new(), Vec::new());
        for row in values.chunks_exact(info.columns()) {
            let largest = row.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            let code = |value: &f32| (value / largest * levels).round() * (127.0 / levels);
            codes.extend(row.iter().map(|value| (code(value) as i8).cast_unsigned()));
            scales.extend(largest.to_le_bytes());
        }
        tensors.push((info.name.clone(), Dtype::I8, info.shape.clone(), codes.into()));
        let scb = format!("{module}_proj.SCB");
        tensors.push((scb, Dtype::F32, vec![info.rows()], scales.into()));
    }
    write_safetensors(&dir.join("model.safetensors"), &tensors, &Default::default()).unwrap();
}

#[test]
fn the_base_whose_merge_answers_better_is_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("quantized");
    fs_err::create_dir(&base).unwrap();
    coarse_base(&base, 2.0);
    let data = dir.path().join("held-out.jsonl");
    let (data, base) = (data.to_str().unwrap(), base.to_str().unwrap());
    ok(&["data", "generate", "countdown", "--kind", "sft", "--n", "24", "--output", data]);
    let (original, adapter) = (root("checkpoints/initial"), root("checkpoints/sft"));
    let (original, adapter) = (original.to_str().unwrap(), adapter.to_str().unwrap());
    let merge = |name: &str, model: &str, more: &[&str]| {
        let output = dir.path().join(name);
        let target = output.to_str().unwrap();
        let arguments = ["merge", "--model", model, "--adapter", adapter, "--output", target];
        (ok(&[arguments.as_slice(), more, &["--json"]].concat()), output)
    };
    let (report, chosen) = merge("chosen", base, &["--original", original, "--choose-base", data]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let choice = &report["base_choice"];
    let loss = |key: &str| choice[key].as_f64().unwrap();
    assert_eq!((&choice["chosen"], &choice["examples"]), (&"original".into(), &24.into()));
    assert!(
        loss("dequantized_loss") > loss("original_loss") + 2.0 * loss("standard_error"),
        "{choice}"
    );
    assert!(loss("standard_error") > 0.0, "{choice}");
    assert_eq!(report["base"]["name"], "initial");

    let (_, onto_original) = merge("onto-original", original, &[]);
    let weights = |folder: &Path| fs_err::read(folder.join("model.safetensors")).unwrap();
    assert!(weights(&chosen) == weights(&onto_original), "the merge onto the original was written");
    assert!(
        fs_err::read_to_string(chosen.join("merge-report.json")).unwrap().contains("base_choice")
    );
    let left = fs_err::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 4, "the trial merges are gone");

    // The other way round: the model called the original is the worse one.
    let finer = dir.path().join("finer");
    fs_err::create_dir(&finer).unwrap();
    coarse_base(&finer, 127.0);
    let worse = dir.path().join("worse");
    ok(&["dequantize", "--model", base, "--output", worse.to_str().unwrap()]);
    let more = ["--original", worse.to_str().unwrap(), "--choose-base", data];
    let (report, _) = merge("kept", finer.to_str().unwrap(), &more);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["base_choice"]["chosen"], "dequantized");
    assert_eq!(report["base"]["name"], "finer");

    let never = dir.path().join("never");
    let never = never.to_str().unwrap();
    let arguments = ["merge", "--model", original, "--adapter", adapter, "--output", never];
    let not = error(&[&arguments[..], &["--original", original, "--choose-base", data]].concat());
    assert!(not.contains("is not quantized"), "{not}");
    let alone = run(&[&arguments[..], &["--original", original]].concat());
    assert_eq!(alone.status.code(), Some(2), "--original without --choose-base");
}

/// A tensor of a model folder.
fn stored(folder: &Path, name: &str) -> Vec<f32> {
    values(&*open_weights(folder).unwrap(), name)
}

#[test]
fn a_gguf_files_licence_is_on_the_cards_of_what_is_made_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let base = at("base");
    fs_err::create_dir(&base).unwrap();
    for entry in fs_err::read_dir(root("checkpoints/initial")).unwrap() {
        let path = entry.unwrap().path();
        fs_err::copy(&path, Path::new(&base).join(path.file_name().unwrap())).unwrap();
    }
    fs_err::write(Path::new(&base).join("README.md"), "---\nlicense: MIT\n---\n").unwrap();
    let (gguf, dense, merged) = (at("base.gguf"), at("dense"), at("merged"));
    ok(&["export", "gguf", "--model", &base, "--type", "q8_0", "--output", &gguf]);
    ok(&["dequantize", "--model", &gguf, "--output", &dense]);
    let adapter = root("checkpoints/sft");
    let adapter = adapter.to_str().unwrap();
    ok(&["merge", "--model", &gguf, "--adapter", adapter, "--output", &merged]);
    for folder in [dense, merged] {
        let card = fs_err::read_to_string(Path::new(&folder).join("README.md")).unwrap();
        assert!(card.contains("\nlicense: mit\n"), "{card}");
    }
}

#[test]
fn a_gguf_file_can_be_merged_onto_and_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (original, adapter) = (root("checkpoints/initial"), root("checkpoints/sft"));
    let (original, adapter) = (original.to_str().unwrap(), adapter.to_str().unwrap());
    for kind in ["bf16", "q2_k"] {
        let gguf = at(&format!("{kind}.gguf"));
        ok(&["export", "gguf", "--model", original, "--type", kind, "--output", &gguf]);
    }
    let onto = |model: &str, output: &str, more: &[&str]| {
        let output = at(output);
        let arguments = ["merge", "--model", model, "--adapter", adapter, "--json", "--output"];
        let said = ok(&[&arguments[..], &[&output], more].concat());
        serde_json::from_str::<Value>(&said).unwrap()
    };
    // bf16 holds the base's values: both merges are one.
    onto(original, "direct", &[]);
    let report = onto(&at("bf16.gguf"), "through", &[]);
    assert_eq!((&report["base"]["name"], &report["dtypes"][0]), (&"bf16".into(), &"BF16".into()));
    let (direct, through) = (dir.path().join("direct"), dir.path().join("through"));
    for tensor in open_weights(&direct).unwrap().tensors() {
        assert_eq!(
            stored(&direct, &tensor.name),
            stored(&through, &tensor.name),
            "{}",
            tensor.name
        );
    }
    let config = ModelConfig::read(&through).unwrap();
    assert!(config.tie_word_embeddings && config.dtype == Some(Dtype::BF16));
    let ids = |folder: &Path| {
        let tokenizer = wardrobe::model::Tokenizer::load(folder).unwrap();
        tokenizer.encode("<|im_start|>user\n3 + 4<|im_end|>", false).unwrap()
    };
    assert_eq!(ids(&direct), ids(&through));
    wardrobe::model::ChatTemplate::load(&through).unwrap().unwrap();
    Decoder::load(&through, WeightFormat::Bf16).unwrap();
    // Another tokenizer takes the place of the file's own.
    onto(&at("bf16.gguf"), "lent", &["--tokenizer", original]);
    let tokenizer = |folder: &str| fs_err::read(format!("{folder}/tokenizer.json")).unwrap();
    assert!(tokenizer(&at("lent")) == tokenizer(original));

    let data = at("held-out.jsonl");
    ok(&["data", "generate", "countdown", "--kind", "sft", "--n", "6", "--output", &data]);
    let choose = ["--original", original, "--choose-base", &data];
    let report = onto(&at("q2_k.gguf"), "chosen", &choose);
    let choice = &report["base_choice"];
    let loss = |key: &str| choice[key].as_f64().unwrap();
    let (quantized, original_loss) = (loss("dequantized_loss"), loss("original_loss"));
    let lower = if quantized < original_loss { "dequantized" } else { "original" };
    assert!(quantized != original_loss && choice["chosen"] == lower, "{choice}");
    let never = at("never");
    let choose = [&["merge", "--adapter", adapter, "--output", &never][..], &choose].concat();
    let floats = error(&[&choose[..], &["--model", &at("bf16.gguf")]].concat());
    assert!(floats.contains("is not quantized"), "{floats}");
}
