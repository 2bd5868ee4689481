//! Exported files in the hands of programs that are not ours: candle's models, which multiply
//! quantized blocks in their own way, and the parser of the `gguf` crate. What llama.cpp itself makes
//! of them is recorded elsewhere.
//!
//! Candle ignores the scaling of rotary frequencies and the biases of Llama's linears, so no model
//! here has them.

use crate::gguf::{IDS, folder};
use crate::model_golden::logits;
use crate::tiny::{largest_difference, values};
use candle_core::quantized::gguf_file::{Content, Value as CandleValue};
use candle_core::{Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen2, quantized_qwen3};
use export::gguf::{FileType, GgufModel, GgufOptions, Provenance, write_gguf};
use export::merge::Combination;
use export::{DenseWeights, Merged, Weights};
use formats::gguf::GgufFile;
use formats::peft::AdapterFiles;
use formats::{ModelConfig, whole};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use wardrobe::model::{Decoder, Wear, WeightFormat};

/// The one matrix that the adapter changes.
const CHANGED: &str = "model.layers.1.self_attn.v_proj";

/// Rows are multiples of 256, so that every type stores its own blocks and none falls back.
fn config(architecture: &str) -> Value {
    let class = match architecture {
        "qwen2" => "Qwen2ForCausalLM",
        "qwen3" => "Qwen3ForCausalLM",
        _ => "LlamaForCausalLM",
    };
    json!({
        "architectures": [class], "model_type": architecture, "hidden_act": "silu",
        "vocab_size": 384, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": if architecture == "qwen3" { 128 } else { 64 },
        "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10_000.0,
        "tie_word_embeddings": architecture != "llama", "torch_dtype": "float32",
        "bos_token_id": 379, "eos_token_id": 381,
    })
}

/// Names and shapes of the tensors of [`config`].
fn shapes(architecture: &str) -> Vec<(String, Vec<usize>)> {
    let head = if architecture == "qwen3" { 128 } else { 64 };
    let (q, kv, hidden, inner) = (4 * head, 2 * head, 256, 512);
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![384, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    if architecture == "llama" {
        shapes.push(("lm_head.weight".to_owned(), vec![384, hidden]));
    }
    for layer in 0..2 {
        let mut push = |name: &str, shape: &[usize]| {
            shapes.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
        };
        for (name, rows, columns) in [
            ("self_attn.q_proj", q, hidden),
            ("self_attn.k_proj", kv, hidden),
            ("self_attn.v_proj", kv, hidden),
            ("self_attn.o_proj", hidden, q),
            ("mlp.gate_proj", inner, hidden),
            ("mlp.up_proj", inner, hidden),
            ("mlp.down_proj", hidden, inner),
        ] {
            push(&format!("{name}.weight"), &[rows, columns]);
            if architecture == "qwen2" && ["q_proj", "k_proj", "v_proj"].contains(&&name[10..]) {
                push(&format!("{name}.bias"), &[rows]);
            }
        }
        push("input_layernorm.weight", &[hidden]);
        push("post_attention_layernorm.weight", &[hidden]);
        if architecture == "qwen3" {
            push("self_attn.q_norm.weight", &[head]);
            push("self_attn.k_norm.weight", &[head]);
        }
    }
    shapes
}

/// Writes tensors of these names and shapes.
fn save(shapes: &[(String, Vec<usize>)], path: &Path) {
    let tensor = |(name, shape): &(String, Vec<usize>)| {
        let values = Tensor::from_vec(values(name, shape), shape.as_slice(), &Device::Cpu);
        (name.clone(), values.unwrap())
    };
    let tensors: HashMap<String, Tensor> = shapes.iter().map(tensor).collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

/// A base folder with the bundled tokenizer.
fn base(architecture: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints/initial");
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs_err::copy(bundled.join(file), folder.path().join(file)).unwrap();
    }
    fs_err::write(folder.path().join("config.json"), config(architecture).to_string()).unwrap();
    save(&shapes(architecture), &folder.path().join("model.safetensors"));
    folder
}

/// An adapter that changes [`CHANGED`] by about as much as is there.
fn adapter(architecture: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let adapter = json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "tiny",
        "r": 4, "lora_alpha": 4, "target_modules": [CHANGED],
    });
    fs_err::write(folder.path().join("adapter_config.json"), adapter.to_string()).unwrap();
    let (_, shape) = shapes(architecture)
        .into_iter()
        .find(|(name, _)| *name == format!("{CHANGED}.weight"))
        .unwrap();
    let name = |part: &str| format!("base_model.model.{CHANGED}.{part}.weight");
    let factors = [(name("lora_A"), vec![4, shape[1]]), (name("lora_B"), vec![shape[0], 4])];
    save(&factors, &folder.path().join("adapter_model.safetensors"));
    folder
}

/// One exported file.
fn export(weights: &dyn Weights, dir: &Path, file_type: FileType, name: &str) -> PathBuf {
    let config = ModelConfig::read(dir).unwrap();
    let options = GgufOptions {
        file_type,
        importance: None,
        name: "Tiny".to_owned(),
        provenance: Provenance::default(),
        existing: whole::Existing::Replace,
    };
    let path = dir.join(name);
    let model = GgufModel { weights, config: &config, dir };
    write_gguf(model, &options, &path, &mut |_, _| {}).unwrap();
    path
}

/// Our logits after the last of [`IDS`].
fn ours(path: &Path) -> Vec<f32> {
    let decoder = Decoder::load(path, WeightFormat::F32).unwrap();
    logits(&decoder, &IDS, &[IDS.len() - 1], Wear::Base)
}

/// Candle's logits after the last of [`IDS`].
fn candles(path: &Path) -> candle_core::Result<Vec<f32>> {
    let (mut file, cpu) = (std::fs::File::open(path)?, Device::Cpu);
    let mut content = Content::read(&mut file)?;
    // Otherwise it rounds the tables of Qwen3's rotation to f16, whatever the weights are.
    content.metadata.insert("general.dtype".to_owned(), CandleValue::U32(0));
    let architecture = content.metadata["general.architecture"].to_string()?.clone();
    let ids = Tensor::new(&IDS[..], &cpu)?.unsqueeze(0)?;
    let logits =
        match architecture.as_str() {
            "qwen2" => quantized_qwen2::ModelWeights::from_gguf(content, &mut file, &cpu)?
                .forward(&ids, 0)?,
            "qwen3" => quantized_qwen3::ModelWeights::from_gguf(content, &mut file, &cpu)?
                .forward(&ids, 0)?,
            _ => quantized_llama::ModelWeights::from_gguf(content, &mut file, &cpu)?
                .forward(&ids, 0)?,
        };
    logits.flatten_all()?.to_vec1()
}

/// Largest difference, relative to the largest logit.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
    largest_difference(found, expected) / largest
}

fn top(logits: &[f32]) -> usize {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap()
}

/// What the same file's logits may differ by. Floats are the same numbers summed in another order (2e-6
/// measured); for blocks candle also rounds the other factor of every product to 8 bits (0.032).
fn tolerance(file_type: FileType) -> f32 {
    match file_type {
        FileType::F32 | FileType::F16 | FileType::BF16 => 1e-5,
        _ => 0.05,
    }
}

/// What the logits of a file with one wrong matrix differ by at least.
const WRONG: f32 = 0.25;

/// Candle computes our logits from the merged file of every type, and others from the base's.
fn candle_agrees(architecture: &str) {
    let (folder, adapter) = (base(architecture), adapter(architecture));
    let dir = folder.path();
    let config = ModelConfig::read(dir).unwrap();
    let dense = || Box::new(DenseWeights::open(dir).unwrap());
    let adapters = vec![(AdapterFiles::read(adapter.path()).unwrap(), 1.0)];
    let merged = Merged::new(dense(), &config, dir, adapters, &Combination::Sum).unwrap();
    for file_type in FileType::ALL {
        let right = export(&merged, dir, file_type, "merged.gguf");
        let wrong = export(&*dense(), dir, file_type, "base.gguf");
        let (expected, found) = (ours(&right), candles(&right).unwrap());
        let apart = difference(&found, &expected);
        let otherwise = difference(&candles(&wrong).unwrap(), &expected);
        assert!(apart <= tolerance(file_type), "{file_type}: {apart}");
        assert_eq!(top(&found), top(&expected), "{file_type}");
        assert!(otherwise > WRONG, "{file_type}: the base's differ by {otherwise}");
    }
}

#[test]
fn candle_runs_qwen2_of_every_type() {
    candle_agrees("qwen2");
}

#[test]
fn candle_runs_qwen3_of_every_type() {
    candle_agrees("qwen3");
}

#[test]
fn candle_runs_llama_of_every_type() {
    candle_agrees("llama");
}

/// Rows of 64, 72, 112, 152, 320 and 896 values, which llama-quantize gives other types than asked for.
/// Candle cannot take an odd number of Q5_0 blocks, e.g. rows of 96: it panics.
#[test]
fn candle_runs_rows_that_blocks_do_not_divide() {
    let cases = ["qwen2_tied_gqa7", "qwen2_896_untied", "qwen3_bf16", "qwen3_untied_gqa2"];
    for case in cases {
        let folder = folder(case);
        for file_type in [FileType::F32, FileType::Q4_K_M, FileType::Q5_0] {
            let weights = DenseWeights::open(folder.path()).unwrap();
            let path = export(&weights, folder.path(), file_type, "odd.gguf");
            let (expected, found) = (ours(&path), candles(&path).unwrap());
            let apart = difference(&found, &expected);
            assert!(apart <= tolerance(file_type), "{case} {file_type}: {apart}");
            assert_eq!(top(&found), top(&expected), "{case} {file_type}");
        }
    }
}

/// Every key, name, extent, type and place that the `gguf` crate reads is ours. It is older than bf16
/// and refuses files that hold any.
#[test]
fn the_gguf_crate_reads_every_header() {
    let folder = base("qwen3");
    for file_type in FileType::ALL {
        let weights = DenseWeights::open(folder.path()).unwrap();
        let path = export(&weights, folder.path(), file_type, "header.gguf");
        let bytes = fs_err::read(&path).unwrap();
        let read = ::gguf::GGUFFile::read(&bytes);
        if file_type == FileType::BF16 {
            assert!(read.is_err());
            continue;
        }
        let (theirs, ours) = (read.unwrap().unwrap(), GgufFile::open(&path).unwrap());
        assert_eq!(theirs.header.version, 3);
        assert_eq!(theirs.header.metadata.len(), ours.metadata().len());
        assert!(theirs.header.metadata.iter().all(|one| ours.metadata().get(&one.key).is_some()));
        assert_eq!(theirs.tensors.len(), ours.tensors().len());
        let tensors: Vec<_> = theirs.tensors.iter().zip(ours.tensors()).collect();
        let end = |offset: u64, bytes: usize| offset as usize + bytes.next_multiple_of(32);
        let data = tensors.iter().map(|(theirs, ours)| end(theirs.offset, ours.bytes())).max();
        let start = bytes.len() - data.unwrap();
        for (theirs, tensor) in tensors {
            let extents: Vec<u64> = tensor.shape.iter().rev().map(|&n| n as u64).collect();
            let name = &tensor.name;
            assert_eq!((&theirs.name, &theirs.dimensions), (name, &extents));
            assert_eq!(theirs.tensor_type as u32, tensor.kind.id, "{name}");
            let place = &bytes[start + theirs.offset as usize..][..tensor.bytes()];
            assert!(place == ours.tensor_bytes(tensor), "{name} lies elsewhere");
        }
    }
}
