//! Quantized weights against their reference implementations, bit for bit. The values were recorded by
//! `tests/golden/quantized/record.py`, which names the references; each case says in which type its
//! reference hands values out, and ours are rounded to it once.

use std::path::{Path, PathBuf};

use export::{QuantizedWeights, TensorInfo, Weights, open_weights};
use formats::Dtype;
use formats::digest::sha256;
use half::{bf16, f16};
use serde_json::{Value, json};

pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/quantized")
}

pub(crate) fn cases() -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(golden().join("cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A folder as a user would have it.
pub(crate) fn folder(name: &str, case: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: PathBuf, to: &str| {
        std::fs::copy(from, dir.path().join(to)).unwrap();
    };
    if name == "model" {
        copy(golden().join("model/config.json"), "config.json");
        copy(golden().join("model/model.safetensors"), "model.safetensors");
        return dir;
    }
    copy(golden().join(format!("{name}.safetensors")), "model.safetensors");
    let config = json!({
        "torch_dtype": case["torch_dtype"],
        "quantization_config": case["quantization_config"],
    });
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    dir
}

fn bytes(values: &[f32], dtype: &str) -> Vec<u8> {
    let each = |value: &f32| match dtype {
        "F32" => value.to_le_bytes().to_vec(),
        "F16" => f16::from_f32(*value).to_le_bytes().to_vec(),
        "BF16" => bf16::from_f32(*value).to_le_bytes().to_vec(),
        other => panic!("no values of type {other} are recorded"),
    };
    values.iter().flat_map(each).collect()
}

/// The tensor, `step` rows at a time.
fn read(weights: &dyn Weights, info: &TensorInfo, step: usize) -> Vec<f32> {
    let mut values = vec![f32::NAN; info.elements()];
    for start in (0..info.rows()).step_by(step) {
        let rows = start..(start + step).min(info.rows());
        let out = &mut values[rows.start * info.columns()..rows.end * info.columns()];
        weights.read_rows(info, rows, out).unwrap();
    }
    values
}

#[test]
fn every_method_gives_its_references_bits() {
    let cases = cases();
    assert!(cases.len() > 30, "only {} cases were recorded", cases.len());
    for (name, case) in &cases {
        let dir = folder(name, case);
        let weights = QuantizedWeights::open(dir.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let dense = case["dense"].as_object().unwrap();
        let names: Vec<&str> = weights.tensors().iter().map(|info| info.name.as_str()).collect();
        let mut expected: Vec<&str> = dense.keys().map(String::as_str).collect();
        expected.sort_unstable();
        assert_eq!(names, expected, "{name}: the dense model's tensors");
        for info in weights.tensors() {
            let expected = &dense[&info.name];
            assert_eq!(json!(info.shape), expected["shape"], "{name}: {}", info.name);
            let values = read(&weights, info, usize::MAX / 2);
            let first: Vec<f32> = serde_json::from_value(expected["first"].clone()).unwrap();
            let dtype = expected["dtype"].as_str().unwrap();
            let digest = sha256(bytes(&values, dtype));
            assert_eq!(
                json!(digest),
                expected["sha256"],
                "{name}: {} as {dtype} begins {:?}, the reference's {first:?}",
                info.name,
                &values[..first.len()]
            );
            for step in [1, 3] {
                let pieces = read(&weights, info, step);
                assert_eq!(bytes(&pieces, "F32"), bytes(&values, "F32"), "{name}: by {step} rows");
            }
        }
    }
}

#[test]
fn the_type_to_write_is_the_one_that_the_configuration_names() {
    let cases = cases();
    for (name, dtype) in [("nf4_f16_72_double", Dtype::F16), ("fp4_f32_128_double", Dtype::F32)] {
        let dir = folder(name, &cases[name]);
        let weights = open_weights(dir.path()).unwrap();
        assert_eq!(weights.tensors()[0].dtype, dtype, "{name}");
    }
    // Without one, what the weight itself remembers.
    let mut case = cases["nf4_f16_72_double"].clone();
    case["torch_dtype"] = json!("auto");
    let dir = folder("nf4_f16_72_double", &case);
    assert_eq!(open_weights(dir.path()).unwrap().tensors()[0].dtype, Dtype::F16);
}

#[test]
fn a_whole_model_shows_which_tensors_were_quantized() {
    let dir = folder("model", &cases()["model"]);
    let weights = QuantizedWeights::open(dir.path()).unwrap();
    assert_eq!(weights.method(), "bitsandbytes");
    assert!(weights.is_quantized("model.layers.0.mlp.down_proj.weight"));
    assert!(!weights.is_quantized("model.norm.weight") && !weights.is_quantized("lm_head.weight"));
}
