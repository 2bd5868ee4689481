//! Tiny models whose weights both Python and this file make from tensor names, and readers of what
//! transformers and PEFT computed for them. The Python twin is `tests/golden/model/weights.py`.

use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Largest difference from the oracle's logits that a test allows.
pub(crate) const TOLERANCE: f32 = 1e-4;

/// `tests/golden/<topic>/<case>`.
pub(crate) fn golden(topic: &str, case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(topic).join(case)
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

/// The values of the tensor `name`: norms around 1, biases and embeddings up to 0.5, matrices of
/// unit gain.
pub(crate) fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let mut values = uniform(name, shape.iter().product());
    if name.ends_with("norm.weight") {
        values.iter_mut().for_each(|v| *v = 1.0 + 0.5 * *v);
    } else {
        let small = name.ends_with(".bias") || name.contains("embed_tokens");
        let gain = if small { 0.5 } else { (3.0 / shape[1] as f64).sqrt() as f32 };
        values.iter_mut().for_each(|v| *v *= gain);
    }
    values
}

/// Writes the checkpoint of a golden case (its `config.json` and a `model.safetensors` made from
/// its `tensors.json`) into a temporary folder.
pub(crate) fn checkpoint(case: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = fs_err::read_to_string(case.join("config.json")).unwrap();
    fs_err::write(folder.path().join("config.json"), &config).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let bf16 = ["dtype", "torch_dtype"].iter().any(|key| config[key] == "bfloat16");
    let dtype = if bf16 { DType::BF16 } else { DType::F32 };
    let shapes = fs_err::read(case.join("tensors.json")).unwrap();
    let shapes: HashMap<String, Vec<usize>> = serde_json::from_slice(&shapes).unwrap();
    let tensor = |(name, shape): (&String, &Vec<usize>)| {
        let values = Tensor::from_vec(values(name, shape), shape.as_slice(), &Device::Cpu).unwrap();
        (name.clone(), values.to_dtype(dtype).unwrap())
    };
    let tensors: HashMap<String, Tensor> = shapes.iter().map(tensor).collect();
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    folder
}

/// What the oracle computed for one context.
pub(crate) struct Expected {
    /// The context.
    pub(crate) ids: Vec<u32>,
    /// The positions whose logits were kept.
    pub(crate) positions: Vec<usize>,
    /// `[positions, vocab]`.
    pub(crate) logits: Vec<f32>,
}

/// Reads `ids`, `positions` and `logits` from a golden safetensors file.
pub(crate) fn expected(file: &Path) -> Expected {
    let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let integers = |name: &str| tensors[name].to_vec1::<i64>().unwrap();
    Expected {
        ids: integers("ids").into_iter().map(|id| u32::try_from(id).unwrap()).collect(),
        positions: integers("positions").into_iter().map(|p| usize::try_from(p).unwrap()).collect(),
        logits: tensors["logits"].flatten_all().unwrap().to_vec1().unwrap(),
    }
}

/// Largest absolute difference; NaN anywhere is infinite, unequal lengths panic.
pub(crate) fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "number of logits");
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |most, d| if d.is_nan() { f32::INFINITY } else { most.max(d) })
}

#[test]
fn both_languages_make_the_same_weights() {
    let pins = fs_err::read(golden("model", "generator.json")).unwrap();
    let pins: Vec<serde_json::Value> = serde_json::from_slice(&pins).unwrap();
    assert_eq!(pins.len(), 4);
    for pin in pins {
        let name = pin["name"].as_str().unwrap();
        let shape: Vec<usize> = serde_json::from_value(pin["shape"].clone()).unwrap();
        let bits: Vec<u32> = serde_json::from_value(pin["bits"].clone()).unwrap();
        let found: Vec<u32> = values(name, &shape)[..4].iter().map(|v| v.to_bits()).collect();
        assert_eq!(found, bits, "{name}");
    }
}
