//! Tiny models whose weights a script and this file make from their tensors' names. The Python twin is
//! in `tests/golden/gguf/record.py`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formats::{Architecture, Dtype, ModelConfig, NamedTensor, write_safetensors};

/// `tests/golden/<path>`.
pub(crate) fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path)
}

/// The bundled model, whose tokenizer the tiny models use.
pub(crate) fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkpoints/initial")
}

/// `count` draws in [-1, 1): splitmix64 seeded with the FNV-1a hash of `name`.
pub(crate) fn uniform(name: &str, count: usize) -> Vec<f32> {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let draw = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = ((z ^ (z >> 31)) >> 40) as u32;
        (f64::from(high) / f64::from(1 << 23) - 1.0) as f32
    };
    std::iter::repeat_with(draw).take(count).collect()
}

/// Cubed draws, so that blocks have outliers; every eighth row is small.
fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let mut values = uniform(name, shape.iter().product());
    values.iter_mut().for_each(|u| *u = *u * *u * *u * 0.25);
    match shape {
        [_] if name.ends_with("norm.weight") => values.iter_mut().for_each(|v| *v += 1.0),
        [_] => {}
        _ => {
            let small = values.chunks_mut(shape[1]).step_by(8).flatten();
            small.for_each(|v| *v *= 1.0 / 64.0);
        }
    }
    values
}

/// Every tensor of such a model with its shape.
fn shapes(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let q = config.num_attention_heads * config.head_dim;
    let kv = config.num_key_value_heads * config.head_dim;
    let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![config.vocab_size, hidden])];
    for layer in 0..config.num_hidden_layers {
        let mut add = |name: &str, shape: &[usize]| {
            all.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
        };
        add("input_layernorm.weight", &[hidden]);
        add("mlp.down_proj.weight", &[hidden, inner]);
        add("mlp.gate_proj.weight", &[inner, hidden]);
        add("mlp.up_proj.weight", &[inner, hidden]);
        add("post_attention_layernorm.weight", &[hidden]);
        for (site, rows) in [("q", q), ("k", kv), ("v", kv)] {
            add(&format!("self_attn.{site}_proj.weight"), &[rows, hidden]);
            if config.architecture == Architecture::Qwen2 {
                add(&format!("self_attn.{site}_proj.bias"), &[rows]);
            }
            if config.architecture == Architecture::Qwen3 && site != "v" {
                add(&format!("self_attn.{site}_norm.weight"), &[config.head_dim]);
            }
        }
        add("self_attn.o_proj.weight", &[hidden, q]);
    }
    all.push(("model.norm.weight".to_owned(), vec![hidden]));
    if !config.tie_word_embeddings {
        all.push(("lm_head.weight".to_owned(), vec![config.vocab_size, hidden]));
    }
    all
}

fn stored(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F16 => values.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

/// The tensors of the model that `config` describes.
pub(crate) fn tensors(config: &ModelConfig) -> Vec<NamedTensor<'static>> {
    let dtype = config.dtype.unwrap_or(Dtype::F32);
    let each = shapes(config).into_iter().map(|(name, shape)| {
        let bytes = stored(&values(&name, &shape), dtype);
        (name, dtype, shape, Cow::from(bytes))
    });
    each.collect()
}

/// Writes the golden model `name` into `dir`, as the script does.
pub(crate) fn write_model(name: &str, dir: &Path) -> ModelConfig {
    let config_file = golden(&format!("gguf/models/{name}.json"));
    fs_err::copy(&config_file, dir.join("config.json")).unwrap();
    for file in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        fs_err::copy(bundled().join(file), dir.join(file)).unwrap();
    }
    let generation = golden("gguf/generation_config.json");
    fs_err::copy(generation, dir.join("generation_config.json")).unwrap();
    let config = ModelConfig::read(dir).unwrap();
    write_tensors(&tensors(&config), dir);
    config
}

/// Writes `model.safetensors`.
pub(crate) fn write_tensors(tensors: &[NamedTensor<'_>], dir: &Path) {
    write_safetensors(&dir.join("model.safetensors"), tensors, &BTreeMap::new()).unwrap();
}
