//! GGUF adapters against PEFT's scales and convert_lora_to_gguf.py's tensors; recorded by
//! `record_adapters.py`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use export::gguf::{FileType, GgufOptions, GgufReport, Provenance, write_gguf_adapter};
use formats::digest::sha256;
use formats::gguf::GgufFile;
use formats::peft::{AdapterFiles, Place};
use formats::{Dtype, ModelConfig, NamedTensor, whole, write_safetensors};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tiny;

/// An adapter of `adapters/` and the configuration of its base.
struct Adapter {
    dir: TempDir,
    base: ModelConfig,
}

impl Adapter {
    fn new(name: &str) -> Self {
        let path = tiny::golden(&format!("gguf/adapters/{name}.json"));
        let config = serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap();
        Self::with(&config, |base| {
            let path = tiny::golden(&format!("gguf/models/{base}.json"));
            ModelConfig::parse(&fs_err::read_to_string(&path).unwrap(), &path).unwrap()
        })
    }

    /// A folder with this configuration and A and B made from their names.
    fn with(config: &Value, base: impl Fn(&str) -> ModelConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = base(config["base_model_name_or_path"].as_str().unwrap());
        fs_err::write(dir.path().join("adapter_config.json"), config.to_string()).unwrap();
        let parsed = formats::peft::AdapterConfig::parse(&config.to_string(), dir.path()).unwrap();
        let mut tensors = Vec::new();
        for place in Place::all(&base).filter(|place| parsed.targets(&place.path())) {
            let rank = parsed.rank_for(&place.path());
            let (rows, columns) = place.shape(&base);
            let halves = match place {
                Place::Embed => [("embedding_A", rank, rows), ("embedding_B", columns, rank)],
                _ => [("A.weight", rank, columns), ("B.weight", rows, rank)],
            };
            for (half, rows, columns) in halves {
                let name = format!("base_model.model.{}.lora_{half}", place.path());
                tensors.push(tensor(&name, &[rows, columns]));
            }
        }
        write(&tensors, dir.path());
        Self { dir, base }
    }

    fn export(&self, file_type: FileType, path: &Path) -> export::Result<GgufReport> {
        let options = GgufOptions {
            file_type,
            importance: None,
            name: "Tiny".to_owned(),
            provenance: Provenance::default(),
            existing: whole::Existing::Refuse,
        };
        let files = AdapterFiles::read(self.dir.path()).unwrap();
        write_gguf_adapter(&files, &self.base, &options, path)
    }
}

fn tensor(name: &str, shape: &[usize]) -> NamedTensor<'static> {
    let values = tiny::uniform(name, shape.iter().product());
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (name.to_owned(), Dtype::F32, shape.to_vec(), Cow::from(bytes))
}

fn write(tensors: &[NamedTensor<'_>], dir: &Path) {
    write_safetensors(&dir.join("adapter_model.safetensors"), tensors, &BTreeMap::new()).unwrap();
}

fn recorded(name: &str) -> Value {
    let text = fs_err::read_to_string(tiny::golden("gguf/adapters.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[name].clone()
}

/// The converter's digests by tensor.
fn digests(recorded: &Value) -> HashMap<String, String> {
    let pairs = recorded["tensors"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

fn digest(bytes: &[u8]) -> String {
    sha256(bytes)[..12].to_owned()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

/// The root of the sum of squares.
fn length(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt()
}

#[test]
fn a_plain_adapter_is_the_converters_to_the_bit() {
    let adapter = Adapter::new("plain");
    let path = adapter.dir.path().join("out.gguf");
    adapter.export(FileType::F32, &path).unwrap();
    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.metadata().str("general.type"), Some("adapter"));
    assert_eq!(file.metadata().str("general.architecture"), Some("qwen2"));
    assert_eq!(file.metadata().str("adapter.type"), Some("lora"));
    assert_eq!(file.metadata().float("adapter.lora.alpha"), Some(8.0));
    let digests = digests(&recorded("plain"));
    assert_eq!(file.tensors().len(), digests.len());
    for tensor in file.tensors() {
        assert_eq!(digest(file.tensor_bytes(tensor)), digests[&tensor.name], "{}", tensor.name);
    }
}

#[test]
fn every_scale_is_pefts_whatever_the_ranks_and_alphas() {
    let adapter = Adapter::new("patterns");
    let path = adapter.dir.path().join("out.gguf");
    adapter.export(FileType::F32, &path).unwrap();
    let file = GgufFile::open(&path).unwrap();
    let alpha = file.metadata().float("adapter.lora.alpha").unwrap();
    let recorded = recorded("patterns");
    let digests = digests(&recorded);
    assert_eq!(file.tensors().len(), digests.len());
    let (mut plain, mut folded) = (0, 0);
    for place in Place::all(&adapter.base) {
        let scale = recorded["scales"][place.path()].as_f64().unwrap();
        let name = gguf_name(place);
        let half = |half: &str| file.tensor(&format!("{name}.lora_{half}")).unwrap();
        let (a, b) = (half("a"), half("b"));
        assert_eq!(digest(file.tensor_bytes(a)), digests[&a.name], "{name}");
        let rank = b.shape[1];
        // What llama.cpp multiplies this pair by.
        let theirs = alpha / rank as f64;
        if (theirs - scale).abs() < 1e-6 * scale {
            assert_eq!(digest(file.tensor_bytes(b)), digests[&b.name], "{name}");
            plain += 1;
        } else {
            let leaf = if place == Place::Embed { "embedding_B" } else { "B.weight" };
            let source = format!("base_model.model.{}.lora_{leaf}", place.path());
            let before = length(&tiny::uniform(&source, b.shape.iter().product()));
            let after = length(&floats(file.tensor_bytes(b)));
            let effective = theirs * after / before;
            assert!((effective - scale).abs() <= 1e-6 * scale, "{name}: {effective}, not {scale}");
            folded += 1;
        }
    }
    // k, gate, up and down of four layers but for one down; embedding and head.
    assert_eq!((plain, folded), (4 * 4 - 1 + 2, 4 * 3 + 1));
}

fn gguf_name(place: Place) -> String {
    let (layer, site) = match place {
        Place::Embed => return "token_embd.weight".to_owned(),
        Place::Head => return "output.weight".to_owned(),
        Place::Linear(layer, site) => (layer, site),
    };
    let name = match site.name() {
        "q_proj" => "attn_q",
        "k_proj" => "attn_k",
        "v_proj" => "attn_v",
        "o_proj" => "attn_output",
        "gate_proj" => "ffn_gate",
        "up_proj" => "ffn_up",
        _ => "ffn_down",
    };
    format!("blk.{layer}.{name}.weight")
}

#[test]
fn half_precision_is_written_where_asked() {
    let adapter = Adapter::new("plain");
    for (file_type, name) in [(FileType::F16, "F16"), (FileType::BF16, "BF16")] {
        let path = adapter.dir.path().join(name);
        adapter.export(file_type, &path).unwrap();
        let file = GgufFile::open(&path).unwrap();
        assert!(file.tensors().iter().all(|tensor| tensor.kind.name == name));
    }
    let error = adapter.export(FileType::Q8_0, &adapter.dir.path().join("q")).unwrap_err();
    assert!(error.to_string().contains("written as f32, f16 or bf16, not Q8_0"), "{error}");
}

/// A golden adapter's configuration with some fields changed, on a base of the golden model `base`.
fn changed(base: &str, fields: &Value) -> Value {
    let path = tiny::golden("gguf/adapters/plain.json");
    let mut config: Value = serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap();
    config["base_model_name_or_path"] = json!(base);
    for (key, value) in fields.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn golden_base(name: &str) -> ModelConfig {
    let path = tiny::golden(&format!("gguf/models/{name}.json"));
    ModelConfig::parse(&fs_err::read_to_string(&path).unwrap(), &path).unwrap()
}

#[test]
fn what_a_gguf_adapter_cannot_hold_is_refused_with_the_way_out() {
    let refused = |adapter: &Adapter| {
        let path = adapter.dir.path().join("out.gguf");
        let error = adapter.export(FileType::F32, &path).unwrap_err().to_string();
        assert!(error.contains("wardrobe export gguf --model BASE --adapter"), "{error}");
        assert!(!path.exists());
        error
    };
    let with = |fields: &Value| Adapter::with(&changed("llama-odd", fields), golden_base);
    let add = |adapter: &Adapter, name: &str, shape: &[usize]| {
        let file =
            formats::SafetensorsFile::read(&adapter.dir.path().join("adapter_model.safetensors"));
        let file = file.unwrap();
        let mut tensors: Vec<NamedTensor<'_>> = file
            .tensors()
            .map(|t| (t.name.to_owned(), t.dtype, t.shape.to_vec(), Cow::from(t.bytes)))
            .collect();
        tensors.push(tensor(&format!("base_model.model.{name}"), shape));
        write(&tensors, adapter.dir.path());
    };
    let tied_head = with(&json!({"target_modules": ["q_proj", "lm_head"]}));
    assert!(refused(&tied_head).contains("LoRA on the head of a base that ties it"));
    let tied_embedding = with(&json!({"target_modules": ["q_proj", "embed_tokens"]}));
    assert!(refused(&tied_embedding).contains("LoRA on the embedding of a base that ties"));

    let one = json!(["layers.0.self_attn.q_proj"]);
    let dora = with(&json!({"use_dora": true, "target_modules": one}));
    add(&dora, "model.layers.0.self_attn.q_proj.lora_magnitude_vector", &[80]);
    assert!(refused(&dora).contains("DoRA's magnitudes"));
    let bias = with(&json!({"lora_bias": true, "target_modules": one}));
    add(&bias, "model.layers.0.self_attn.q_proj.lora_B.bias", &[80]);
    assert!(refused(&bias).contains("a bias on B (lora_bias)"));
    let saved = with(&json!({"modules_to_save": ["embed_tokens"], "target_modules": one}));
    add(&saved, "model.embed_tokens.weight", &[384, 80]);
    assert!(refused(&saved).contains("a module saved whole (modules_to_save)"));
}
