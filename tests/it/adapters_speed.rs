//! How long an adapter of 35 MB takes to load: ranks of 16 on every linear of a Qwen2.5-0.5B-shaped
//! base, in f32. Run alone and on a quiet machine:
//! `cargo test --release --test it adapters_speed -- --ignored --nocapture`.

use crate::tiny::uniform;
use candle_core::{DType, Device, Tensor};
use serde_json::json;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use wardrobe::adapters::{BaseInfo, load};
use wardrobe::model::Site;

/// Tensors of zeros that take no room on disk: a header and a hole.
fn write_sparse(path: &Path, tensors: &[(String, [usize; 2])]) {
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in tensors {
        let begin = end;
        end += shape[0] * shape[1] * 2;
        let entry = json!({ "dtype": "BF16", "shape": shape, "data_offsets": [begin, end] });
        header.insert(name.clone(), entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut file = fs_err::File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
}

#[test]
#[ignore = "measures time"]
fn an_adapter_of_35_megabytes_loads_in_300_ms() {
    let (model, adapter) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = json!({
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu",
        "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
        "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151_936,
        "max_position_embeddings": 32_768, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
        "tie_word_embeddings": true, "torch_dtype": "bfloat16",
    });
    fs_err::write(model.path().join("config.json"), config.to_string()).unwrap();
    let config = formats::ModelConfig::read(model.path()).unwrap();
    let mut base = Vec::new();
    let mut tensors = HashMap::new();
    for layer in 0..24 {
        for site in Site::ALL {
            let (n, k) = site.shape(&config);
            let path = format!("model.layers.{layer}.{}", site.module_path());
            base.push((format!("{path}.weight"), [n, k]));
            for (name, shape) in [("lora_A", (16, k)), ("lora_B", (n, 16))] {
                let name = format!("base_model.model.{path}.{name}.weight");
                let values = uniform(&name, shape.0 * shape.1);
                let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
                tensors.insert(name, tensor);
            }
        }
    }
    write_sparse(&model.path().join("model.safetensors"), &base);
    let adapter_config = json!({ "peft_type": "LORA", "r": 16, "target_modules": "all-linear" });
    fs_err::write(adapter.path().join("adapter_config.json"), adapter_config.to_string()).unwrap();
    let weights = adapter.path().join("adapter_model.safetensors");
    let base = BaseInfo::open(model.path(), "base").unwrap();
    for dtype in [DType::F32, DType::BF16] {
        let typed = |(name, t): (&String, &Tensor)| (name.clone(), t.to_dtype(dtype).unwrap());
        let typed: HashMap<_, _> = tensors.iter().map(typed).collect();
        candle_core::safetensors::save(&typed, &weights).unwrap();
        let (best, bytes) = (0..5).map(|_| time_load(adapter.path(), &base)).min().unwrap();
        println!("{:.1} MB of {dtype:?}: {best:?}", bytes as f64 / 1e6);
        assert!(best < Duration::from_millis(300), "{best:?}");
    }
}

fn time_load(adapter: &Path, base: &BaseInfo) -> (Duration, usize) {
    let start = Instant::now();
    let report = load(adapter, base).unwrap().report;
    (start.elapsed(), report.file_bytes)
}
