//! GGUF files that an importance matrix decided, against llama-quantize's; and such matrices in both of
//! their formats. Recorded by the same `record.py`.

use std::path::Path;

use export::gguf::{FileType, GgufOptions, Importance};
use formats::gguf::{Array, GgufFile, GgufLayout, Metadata, NewTensor, TensorType, Value};

use crate::gguf::{Model, expected, found, options, recorded};
use crate::tiny;

/// The importance matrix that the script makes, in the GGUF format.
fn importance_gguf(weighed: &[(String, usize)], path: &Path) {
    let mut metadata = Metadata::new();
    let datasets = Array::String(vec!["made up".to_owned()]);
    metadata.set("general.type", Value::String("imatrix".to_owned()));
    metadata.set("imatrix.datasets", Value::Array(datasets));
    metadata.set("imatrix.chunk_count", Value::U32(2));
    metadata.set("imatrix.chunk_size", Value::U32(4));
    let mut tensors = Vec::new();
    let mut data = Vec::new();
    let mut add = |name: String, values: &[f32]| {
        tensors.push(NewTensor { name, shape: vec![1, values.len()], kind: TensorType::F32 });
        data.push(values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    };
    for (name, columns) in weighed {
        add(format!("{name}.in_sum2"), &sums(name, *columns));
        add(format!("{name}.counts"), &[8.0]);
    }
    let layout = GgufLayout::new(path, &metadata, &tensors).unwrap();
    let mut out = fs_err::File::create(path).unwrap();
    layout.write(&mut out, |at, out| out.write_all(&data[at])).unwrap();
}

/// The same in the format before it.
fn importance_legacy(weighed: &[(String, usize)], path: &Path) {
    let number = |n: usize| (n as i32).to_le_bytes();
    let mut bytes = number(weighed.len()).to_vec();
    for (name, columns) in weighed {
        bytes.extend(number(name.len()));
        bytes.extend(name.as_bytes());
        bytes.extend(number(8));
        bytes.extend(number(*columns));
        bytes.extend(sums(name, *columns).iter().flat_map(|v| v.to_le_bytes()));
    }
    bytes.extend(number(2));
    bytes.extend(number("made up".len()));
    bytes.extend(b"made up");
    fs_err::write(path, bytes).unwrap();
}

fn sums(name: &str, columns: usize) -> Vec<f32> {
    let draws = tiny::uniform(&format!("{name}.in_sum2"), columns);
    draws.iter().map(|u| u * u * 8.0).collect()
}

fn with_importance_is_llama_cpps(name: &str) {
    let model = Model::new(name);
    let recorded = &recorded()[name];
    let path = model.path("out.gguf");
    model.write(&options(FileType::F32), &path).unwrap();
    let file = GgufFile::open(&path).unwrap();
    let layers = file.tensors().iter().filter(|t| t.name.starts_with("blk.") && t.shape.len() == 2);
    let weighed: Vec<_> = layers.map(|t| (t.name.clone(), t.shape[1])).collect();
    let (gguf, legacy) = (model.path("imatrix.gguf"), model.path("imatrix.dat"));
    importance_gguf(&weighed, &gguf);
    importance_legacy(&weighed, &legacy);
    let importance = Importance::read(&gguf).unwrap();
    for (tensor, columns) in &weighed {
        let other = Importance::read(&legacy).unwrap();
        let both = [&importance, &other].map(|i| i.of(tensor, *columns).unwrap().unwrap().to_vec());
        assert_eq!(both[0], both[1], "{tensor}");
    }
    let mut compared = 0;
    for file_type in FileType::ALL {
        let label = format!("{file_type} with importance");
        if recorded["types"][&label].is_null() {
            continue;
        }
        let importance = Some(importance.clone());
        model.write(&GgufOptions { importance, ..options(file_type) }, &path).unwrap();
        let file = GgufFile::open(&path).unwrap();
        for (found, expected) in found(&file).iter().zip(expected(recorded, &label)) {
            assert_eq!(*found, expected, "{name} as {label}");
        }
        assert_eq!(file.metadata().str("quantize.imatrix.file"), Some("imatrix.gguf"));
        assert_eq!(file.metadata().str("quantize.imatrix.dataset"), Some("made up"));
        assert_eq!(file.metadata().unsigned("quantize.imatrix.chunks_count"), Some(2));
        compared += 1;
    }
    assert_eq!(compared, FileType::ALL.len() - 3, "all but plain floats");
}

#[test]
fn a_qwen2_with_importance_is_llama_cpps() {
    with_importance_is_llama_cpps("qwen2");
}

#[test]
fn a_qwen3_with_importance_is_llama_cpps() {
    with_importance_is_llama_cpps("qwen3");
}

#[test]
fn a_llama_with_importance_is_llama_cpps() {
    with_importance_is_llama_cpps("llama");
}

#[test]
fn an_unsound_importance_matrix_is_refused() {
    let model = Model::new("llama-odd");
    let path = model.path("imatrix.dat");
    let refused = |bytes: &[u8]| {
        fs_err::write(&path, bytes).unwrap();
        Importance::read(&path).unwrap_err().to_string()
    };
    let weighed = [("blk.0.attn_q.weight".to_owned(), 3)];
    importance_legacy(&weighed, &path);
    let sound = fs_err::read(&path).unwrap();
    assert!(refused(b"").contains("the number of entries needs 4 bytes, 0 are left"));
    assert!(refused(&0_i32.to_le_bytes()).contains("holds no entries"));
    assert!(refused(&(-1_i32).to_le_bytes()).contains("the number of entries would be -1"));
    assert!(refused(&sound[..sound.len() - 26]).contains("cut short"));
    let mut nan = sound.clone();
    let at = 4 + 4 + "blk.0.attn_q.weight".len() + 8;
    nan[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(refused(&nan).contains("`blk.0.attn_q.weight` holds NaN"));
    fs_err::write(&path, &sound).unwrap();
    let importance = Some(Importance::read(&path).unwrap());
    let wrong = GgufOptions { importance, ..options(FileType::Q4_0) };
    let error = model.write(&wrong, &model.path("out.gguf")).unwrap_err().to_string();
    assert!(error.contains("has 3 columns, the model's has 80"), "{error}");
    let no_sums = model.path("plain.gguf");
    model.write(&options(FileType::F16), &no_sums).unwrap();
    let error = Importance::read(&no_sums).unwrap_err().to_string();
    assert!(error.contains("holds no importance matrix"), "{error}");
}
