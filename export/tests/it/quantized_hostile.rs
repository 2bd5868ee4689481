//! Quantized folders that are incomplete, contradict themselves or were made to do harm: every one is
//! refused with a sentence, or read, but never a panic.

use std::borrow::Cow;
use std::path::Path;

use export::{Error, QuantizedWeights, Weights};
use formats::{Dtype, NamedTensor, SafetensorsFile};
use serde_json::{Value, json};

use super::quantized::{cases, folder};

/// Opens the folder and reads everything in it.
fn read_all(dir: &Path) -> Result<(), Error> {
    let weights = QuantizedWeights::open(dir)?;
    for info in weights.tensors() {
        let mut row = vec![0.0; info.columns()];
        for at in 0..info.rows() {
            weights.read_rows(info, at..at + 1, &mut row)?;
        }
    }
    Ok(())
}

fn tensors(dir: &Path) -> Vec<NamedTensor<'static>> {
    let file = SafetensorsFile::read(&dir.join("model.safetensors")).unwrap();
    let own = |view: formats::TensorView| {
        let bytes = Cow::from(view.bytes.to_vec());
        (view.name.to_owned(), view.dtype, view.shape.to_vec(), bytes)
    };
    file.tensors().map(own).collect()
}

/// Without the flush to disk of `formats::write_safetensors`: thousands of files are written here.
fn write(dir: &Path, tensors: &[NamedTensor<'_>]) {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        let entry = json!({"dtype": dtype.name(), "shape": shape, "data_offsets": offsets});
        header.insert(name.clone(), entry);
        data.extend_from_slice(bytes);
    }
    let header = Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    let file = [&length, header.as_bytes(), &data].concat();
    std::fs::write(dir.join("model.safetensors"), file).unwrap();
}

/// One sentence that names what is wrong.
fn refusal(dir: &Path) -> String {
    let message = read_all(dir).unwrap_err().to_string();
    assert!(message.len() < 400 && !message.contains('\n'), "{message}");
    message
}

#[test]
fn a_missing_part_is_named() {
    for (name, case) in &cases() {
        let dir = folder(name, case);
        let all = tensors(dir.path());
        for skip in 0..all.len().min(12) {
            let rest: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != skip).collect();
            let rest: Vec<_> = rest.into_iter().map(|(_, tensor)| tensor.clone()).collect();
            write(dir.path(), &rest);
            let missing = &all[skip].0;
            let optional = ["input_scale", "weight_format", "g_idx", "norm.weight", "bias"];
            let plain = name == "model" && all[skip].1 == Dtype::BF16;
            if plain || optional.iter().any(|part| missing.ends_with(part)) {
                read_all(dir.path()).unwrap_or_else(|e| panic!("{name} without {missing}: {e}"));
            } else {
                refusal(dir.path());
            }
        }
    }
}

#[test]
fn cut_tensors_and_other_types_are_refused_or_read_but_never_a_panic() {
    for (name, case) in &cases() {
        let dir = folder(name, case);
        let all = tensors(dir.path());
        for at in 0..all.len().min(12) {
            for change in changes(&all[at]) {
                let mut hostile = all.clone();
                hostile[at] = change;
                write(dir.path(), &hostile);
                let _refused_or_read = read_all(dir.path());
            }
        }
    }
}

/// A tensor one row shorter, flat, empty, of another type, and with every byte all ones.
fn changes(tensor: &NamedTensor<'static>) -> Vec<NamedTensor<'static>> {
    let (name, dtype, shape, bytes) = tensor.clone();
    let make = |dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>| {
        let length = dtype.bytes_for(&shape).unwrap();
        let mut bytes = bytes;
        bytes.resize(length, 0xFF);
        (name.clone(), dtype, shape, Cow::from(bytes))
    };
    let count: usize = shape.iter().product();
    let mut shorter = shape.clone();
    if let Some(first) = shorter.first_mut() {
        *first = first.saturating_sub(1);
    }
    let mut wider = shape.clone();
    wider.push(1);
    vec![
        make(dtype, shorter, bytes[..].to_vec()),
        make(dtype, vec![count], bytes.to_vec()),
        make(dtype, vec![0], Vec::new()),
        make(dtype, vec![0, 0], Vec::new()),
        make(dtype, wider, bytes.to_vec()),
        make(Dtype::U8, shape.clone(), bytes.to_vec()),
        make(Dtype::I32, shape.clone(), bytes.to_vec()),
        make(Dtype::I64, shape.clone(), bytes.to_vec()),
        make(Dtype::F32, shape.clone(), bytes.to_vec()),
        make(dtype, shape, vec![0xFF; bytes.len()]),
    ]
}

#[test]
fn hostile_numbers_in_a_quantization_state_are_refused() {
    let name = "nf4_bf16_128_double";
    let case = &cases()[name];
    let state = |change: Value| {
        let dir = folder(name, case);
        let mut all = tensors(dir.path());
        let at = all.iter().position(|tensor| tensor.0.contains("quant_state")).unwrap();
        let mut json: Value = serde_json::from_slice(&all[at].3).unwrap();
        for (key, value) in change.as_object().unwrap() {
            json[key] = value.clone();
        }
        let text = json.to_string().into_bytes();
        all[at].2 = vec![text.len()];
        all[at].3 = Cow::from(text);
        write(dir.path(), &all);
        refusal(dir.path())
    };
    assert!(state(json!({"blocksize": 0})).contains("blocksize"));
    assert!(state(json!({"blocksize": 32})).contains("absmax"));
    assert!(state(json!({"nested_blocksize": 1})).contains("nested_absmax"));
    assert!(state(json!({"nested_offset": null})).contains("nested_offset"));
    assert!(state(json!({"quant_type": "fp4"})).contains("its name contradicts"));
    assert!(state(json!({"shape": [16, 129]})).contains("does not fit"));
    let huge = 1_u64 << 39;
    assert!(state(json!({"shape": [huge, huge, huge]})).contains("does not fit"));
    assert!(state(json!({"shape": [-1, 128]})).contains("shape"));
}

#[test]
fn hostile_settings_are_refused_or_read() {
    let extremes =
        [json!(0), json!(-1), json!(1), json!(3), json!(1e18), json!("x"), json!([]), json!(null)];
    for (name, case) in cases().iter().filter(|(name, _)| *name != "model") {
        let pointer = match case["quantization_config"]["quant_method"].as_str() {
            Some("compressed-tensors") => "/config_groups/group_0/weights",
            _ => "",
        };
        let keys: Vec<String> = {
            let object = case["quantization_config"].pointer(pointer).unwrap();
            object.as_object().unwrap().keys().cloned().collect()
        };
        for (key, value) in keys.iter().flat_map(|key| extremes.iter().map(move |v| (key, v))) {
            let mut case = case.clone();
            case["quantization_config"].pointer_mut(pointer).unwrap()[key] = value.clone();
            let _refused_or_read = read_all(folder(name, &case).path());
        }
    }
}

#[test]
fn what_is_not_known_is_refused_by_its_name() {
    let cases = cases();
    let refused = |name: &str, change: Value| {
        let mut case = cases[name].clone();
        for (key, value) in change.as_object().unwrap() {
            case["quantization_config"][key] = value.clone();
        }
        refusal(folder(name, &case).path())
    };
    assert!(refused("awq", json!({"quant_method": "aqlm"})).contains("\"aqlm\" is not supported"));
    assert!(refused("awq", json!({"version": "gemv"})).contains("AWQ layout \"gemv\""));
    assert!(refused("awq", json!({"bits": 8})).contains("`bits` 8"));
    assert!(refused("awq", json!({"group_size": 16})).contains("`m.scales` has shape"));
    let marlin = json!({"checkpoint_format": "marlin"});
    assert!(refused("gptq_4", marlin).contains("`checkpoint_format` \"marlin\""));
    assert!(refused("gptq_4", json!({"bits": 5})).contains("must be 2, 3, 4 or 8"));
    assert!(refused("gptq_4", json!({"bits": 8})).contains("columns of 8 bits"));
    let sparse = json!({"format": "sparse-24-bitmask"});
    assert!(refused("ct_pack_int4_group", sparse).contains("\"sparse-24-bitmask\""));
    let none = json!({"config_groups": {}});
    assert!(refused("ct_pack_int4_group", none).contains("no group of `config_groups`"));
    assert!(refused("int8", json!({"load_in_8bit": false})).contains("exactly one must be true"));
    assert!(refused("fp8_block", json!({"weight_block_size": [8, 32]})).contains("has shape"));
}

#[test]
fn what_is_left_over_is_refused() {
    let name = "gptq_4";
    let dir = folder(name, &cases()[name]);
    let mut all = tensors(dir.path());
    all.push(("n.qzeros".to_owned(), Dtype::I32, vec![1], Cow::from(vec![0; 4])));
    write(dir.path(), &all);
    assert!(refusal(dir.path()).contains("`n.qzeros` is part of a quantized weight"));
    all.pop();
    all.push(("n.weight".to_owned(), Dtype::I32, vec![1], Cow::from(vec![0; 4])));
    write(dir.path(), &all);
    assert!(refusal(dir.path()).contains("`n.weight` is stored as I32"));
    all.pop();
    all.push(("m.weight".to_owned(), Dtype::F32, vec![1], Cow::from(vec![0; 4])));
    write(dir.path(), &all);
    assert!(refusal(dir.path()).contains("`m.weight` twice"));
}

#[test]
fn biases_of_zeros_that_the_decoder_lacks_are_dropped_and_others_refused() {
    let case = &cases()["model"];
    let with = |name: &str, value: f32| {
        let dir = folder("model", case);
        let mut all = tensors(dir.path());
        let bytes = Cow::from(value.to_le_bytes().repeat(128));
        all.push((name.to_owned(), Dtype::F32, vec![128], bytes));
        write(dir.path(), &all);
        dir
    };
    let extra = "model.layers.0.mlp.up_proj.bias";
    let dir = with(extra, 0.0);
    let weights = QuantizedWeights::open(dir.path()).unwrap();
    assert!(weights.tensors().iter().all(|info| info.name != extra));
    let own = "model.layers.0.self_attn.q_proj.bias";
    assert!(weights.tensors().iter().any(|info| info.name == own));
    let message = refusal(with(extra, 0.5).path());
    assert!(message.contains("architecture does not have, and is not zero"), "{message}");
}
