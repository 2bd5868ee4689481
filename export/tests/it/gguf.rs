//! GGUF files of tiny models against what convert_hf_to_gguf.py and llama-quantize made of the same
//! models: every tensor's place, type and bytes, and the metadata. Recorded by `record.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use export::DenseWeights;
use export::gguf::{FileType, GgufModel, GgufOptions, GgufReport, Origin, Provenance, write_gguf};
use export::license::License;
use formats::digest::sha256;
use formats::gguf::{Array, GgufFile, Value};
use formats::{Dtype, ModelConfig, whole};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::tiny;

/// A golden model's folder, opened.
pub(crate) struct Model {
    dir: TempDir,
    config: ModelConfig,
    weights: DenseWeights,
}

impl Model {
    pub(crate) fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        tiny::write_model(name, dir.path());
        Self::open(dir)
    }

    fn open(dir: TempDir) -> Self {
        let config = ModelConfig::read(dir.path()).unwrap();
        let weights = DenseWeights::open(dir.path()).unwrap();
        Self { dir, config, weights }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, options: &GgufOptions, path: &Path) -> export::Result<GgufReport> {
        let model =
            GgufModel { weights: &self.weights, config: &self.config, dir: self.dir.path() };
        write_gguf(model, options, path, &mut |_, _| {})
    }
}

pub(crate) fn options(file_type: FileType) -> GgufOptions {
    GgufOptions {
        file_type,
        importance: None,
        name: "Tiny".to_owned(),
        provenance: Provenance::default(),
        existing: whole::Existing::Replace,
    }
}

pub(crate) fn recorded() -> Json {
    let text = fs_err::read_to_string(tiny::golden("gguf/recorded.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Each tensor as the script records it: name, and type with the beginning of its digest.
pub(crate) fn found(file: &GgufFile) -> Vec<(String, String)> {
    let each = file.tensors().iter().map(|tensor| {
        let digest = sha256(file.tensor_bytes(tensor));
        (tensor.name.clone(), format!("{} {}", tensor.kind, &digest[..12]))
    });
    each.collect()
}

pub(crate) fn expected(recorded: &Json, label: &str) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let names = recorded["tensors"].as_array().unwrap().iter().map(text);
    let made = recorded["types"][label].as_array().unwrap().iter().map(text);
    names.zip(made).collect()
}

/// Writes the model in every type and compares each tensor.
fn every_type_is_llama_cpps(name: &str) {
    let model = Model::new(name);
    let recorded = &recorded()[name];
    for file_type in FileType::ALL {
        let path = model.path("out.gguf");
        let report = model.write(&options(file_type), &path).unwrap();
        let file = GgufFile::open(&path).unwrap();
        for (found, expected) in found(&file).iter().zip(expected(recorded, file_type.name())) {
            assert_eq!(*found, expected, "{name} as {file_type}");
        }
        assert_eq!(file.tensors().len(), recorded["tensors"].as_array().unwrap().len());
        assert_eq!(file.metadata().unsigned("general.file_type"), Some(file_type.id().into()));
        assert_eq!(report.sha256, sha256(fs_err::read(&path).unwrap()));
        assert_eq!(report.bytes, fs_err::metadata(&path).unwrap().len());
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    }
}

#[test]
fn a_tied_qwen2_is_llama_cpps_in_every_type() {
    every_type_is_llama_cpps("qwen2");
}

#[test]
fn an_untied_qwen3_of_odd_width_is_llama_cpps_in_every_type() {
    every_type_is_llama_cpps("qwen3");
}

#[test]
fn a_llama_with_scaled_rotations_is_llama_cpps_in_every_type() {
    every_type_is_llama_cpps("llama");
}

#[test]
fn a_llama_too_narrow_for_blocks_is_llama_cpps_in_every_type() {
    every_type_is_llama_cpps("llama-odd");
}

/// A value as the script writes it down: arrays as the digest of their items' lines.
fn written_down(value: &Value) -> Json {
    let lines = |items: Vec<String>| {
        let digest = sha256(items.join("\n").as_bytes());
        Json::from(format!("{} of {}", &digest[..16], items.len()))
    };
    match value {
        Value::U32(n) => Json::from(*n),
        Value::I32(n) => Json::from(*n),
        Value::F32(x) => Json::from(f64::from(*x)),
        Value::Bool(truth) => Json::from(*truth),
        Value::String(text) => Json::from(text.as_str()),
        Value::Array(Array::String(items)) => lines(items.clone()),
        Value::Array(Array::I32(items)) => lines(items.iter().map(i32::to_string).collect()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn metadata_are_the_converters_and_in_its_order() {
    // The name is ours to choose; the converter leaves the head's width out where config.json does, does
    // not look for ids in generation_config.json, and knows one token that ends an answer.
    let ours = BTreeSet::from([
        "attention.key_length",
        "attention.value_length",
        "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.padding_token_id",
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.eot_token_id",
    ]);
    for name in ["qwen2", "qwen3", "llama", "llama-odd"] {
        let model = Model::new(name);
        let file_type = match model.config.dtype.unwrap() {
            Dtype::F16 => FileType::F16,
            Dtype::BF16 => FileType::BF16,
            _ => FileType::F32,
        };
        let path = model.path("out.gguf");
        model.write(&options(file_type), &path).unwrap();
        let file = GgufFile::open(&path).unwrap();
        let recorded = recorded();
        let theirs: Vec<(&str, &Json)> = recorded[name]["metadata"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry[0].as_str().unwrap(), &entry[2]))
            .filter(|(key, _)| *key != "general.name")
            .collect();
        let values: BTreeMap<&str, Json> =
            file.metadata().iter().map(|(key, value)| (key, written_down(value))).collect();
        for (key, value) in &theirs {
            assert_eq!(values.get(key), Some(*value), "{name}: {key}");
        }
        let known: BTreeSet<&str> = theirs.iter().map(|(key, _)| *key).collect();
        let extra = file.metadata().iter().map(|(key, _)| key).filter(|key| !known.contains(key));
        for key in extra.filter(|key| *key != "general.name") {
            assert!(ours.iter().any(|own| key.ends_with(own)), "{name}: {key}");
        }
        let common = file.metadata().iter().map(|(key, _)| key).filter(|key| known.contains(key));
        let order: Vec<&str> = theirs.iter().map(|(key, _)| *key).collect();
        assert_eq!(common.collect::<Vec<_>>(), order, "{name}");
    }
}

#[test]
fn every_token_that_ends_an_answer_is_named() {
    let model = Model::new("qwen2");
    let path = model.path("out.gguf");
    model.write(&options(FileType::Q8_0), &path).unwrap();
    let file = GgufFile::open(&path).unwrap();
    let tokens = file.metadata().strings("tokenizer.ggml.tokens").unwrap();
    let named = |key: &str| {
        let id = file.metadata().unsigned(&format!("tokenizer.ggml.{key}_token_id"));
        id.map(|id| tokens[id as usize].as_str())
    };
    assert_eq!(named("eos"), Some("<|im_end|>"));
    assert_eq!(named("eot"), Some("<|endoftext|>"));
    assert_eq!(named("padding"), Some("<|endoftext|>"));
    assert_eq!(tokens.len(), 400);
    assert_eq!(tokens[399], "[PAD399]");
}

#[test]
fn a_head_that_copies_the_embedding_is_left_out() {
    let tied = Model::new("qwen2");
    let dir = tempfile::tempdir().unwrap();
    let config = tiny::write_model("qwen2", dir.path());
    let mut tensors = tiny::tensors(&config);
    let (_, dtype, shape, bytes) = tensors[0].clone();
    tensors.push(("lm_head.weight".to_owned(), dtype, shape, bytes));
    tiny::write_tensors(&tensors, dir.path());
    let copied = Model::open(dir);
    let digest = |model: &Model| {
        let path = model.path("out.gguf");
        model.write(&options(FileType::Q4_K_M), &path).unwrap().sha256
    };
    assert_eq!(digest(&tied), digest(&copied));
}

#[test]
fn a_head_that_the_configuration_ties_away_is_left_out_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny::write_model("qwen2", dir.path());
    let mut tensors = tiny::tensors(&config);
    let (_, dtype, shape, bytes) = tensors[0].clone();
    let other = bytes.iter().rev().copied().collect::<Vec<u8>>();
    let finite = other.chunks(2).flat_map(|pair| [pair[0], pair[1] & 0x3f]).collect::<Vec<u8>>();
    tensors.push(("lm_head.weight".to_owned(), dtype, shape, finite.into()));
    tiny::write_tensors(&tensors, dir.path());
    let model = Model::open(dir);
    let report = model.write(&options(FileType::Q8_0), &model.path("out.gguf")).unwrap();
    assert!(report.warnings[0].contains("lm_head.weight that differs"), "{:?}", report.warnings);
    assert!(report.tensors.iter().all(|tensor| tensor.name != "output.weight"));
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let model = Model::new("llama");
    let digest = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let path = model.path("out.gguf");
        pool.install(|| model.write(&options(FileType::Q4_K_M), &path).unwrap().sha256)
    };
    assert_eq!(digest(1), digest(5));
}

#[test]
fn provenance_is_in_the_metadata() {
    let model = Model::new("llama-odd");
    let origin = |name: &str, digest: &str| Origin { name: name.into(), digest: digest.into() };
    let provenance = Provenance {
        tool: "wardrobe 1.2.3".to_owned(),
        base: Some(origin("someone/Base-1B", "aa")),
        adapters: vec![origin("first", "bb"), origin("second", "cc")],
        data: vec![origin("words", "")],
        license: Some(License { id: "other".into(), name: Some("ACME".into()), link: None }),
    };
    let path = model.path("out.gguf");
    let given = GgufOptions { provenance: provenance.clone(), ..options(FileType::F16) };
    model.write(&given, &path).unwrap();
    let file = GgufFile::open(&path).unwrap();
    let text = |key: &str| file.metadata().str(key);
    assert_eq!(text("general.base_model.0.name"), Some("Base-1B"));
    assert_eq!(text("general.base_model.0.organization"), Some("someone"));
    assert_eq!(text("wardrobe.tool"), Some("wardrobe 1.2.3"));
    assert_eq!(text("wardrobe.base.0.sha256"), Some("aa"));
    assert_eq!(text("wardrobe.adapter.1.name"), Some("second"));
    assert_eq!(text("wardrobe.adapter.1.sha256"), Some("cc"));
    assert_eq!(text("wardrobe.data.0.name"), Some("words"));
    assert_eq!(text("wardrobe.data.0.sha256"), None);
    let license = ["", ".name", ".link"].map(|key| format!("general.license{key}"));
    let license = license.map(|key| text(&key).map(str::to_owned));
    assert_eq!(license, [Some("other".to_owned()), Some("ACME".to_owned()), None]);
    fs_err::write(model.path("README.md"), "---\nlicense: mit\n---\n").unwrap();
    let path = model.path("carded.gguf");
    model.write(&GgufOptions { provenance, ..options(FileType::F16) }, &path).unwrap();
    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.metadata().str("general.license"), Some("mit"), "a card says it itself");
    assert_eq!(file.metadata().str("general.license.name"), None);
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny::write_model("llama-odd", dir.path());
    let tensors = tiny::tensors(&config);
    let refused = |tensors: &[formats::NamedTensor<'_>]| {
        tiny::write_tensors(tensors, dir.path());
        let weights = DenseWeights::open(dir.path()).unwrap();
        let model = GgufModel { weights: &weights, config: &config, dir: dir.path() };
        let path = dir.path().join("out.gguf");
        let error = write_gguf(model, &options(FileType::Q8_0), &path, &mut |_, _| {}).unwrap_err();
        assert!(!path.exists());
        let left = fs_err::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 6, "only the model's six files are there");
        error.to_string()
    };
    assert!(refused(&tensors[1..]).contains("`model.embed_tokens.weight` is missing"));
    let mut extra = tensors.clone();
    extra.push(("model.extra.weight".to_owned(), Dtype::F32, vec![1], vec![0; 4].into()));
    assert!(refused(&extra).contains("`model.extra.weight`, which config.json does not call for"));
    let mut short = tensors.clone();
    short[1].2 = vec![40];
    short[1].3.to_mut().truncate(80);
    assert!(refused(&short).contains("has shape [40] but the configuration needs [80]"));
    let mut broken = tensors.clone();
    broken[3].3.to_mut()[0..2].copy_from_slice(&[0xc0, 0x7f]);
    assert!(refused(&broken).contains("holds NaN"));
    tiny::write_tensors(&tensors, dir.path());
}

#[test]
fn a_file_in_the_way_is_refused_unless_told_otherwise() {
    let model = Model::new("llama-odd");
    let path = model.path("out.gguf");
    fs_err::write(&path, "mine").unwrap();
    let keep = GgufOptions { existing: whole::Existing::Refuse, ..options(FileType::Q8_0) };
    assert!(model.write(&keep, &path).unwrap_err().to_string().contains("exists already"));
    assert_eq!(fs_err::read(&path).unwrap(), b"mine");
    model.write(&options(FileType::Q8_0), &path).unwrap();
    assert!(GgufFile::open(&path).is_ok());
}
