//! Reading and writing against files of the reference implementation (`golden/safetensors/record.py`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use formats::{Dtype, NamedTensor, SafetensorsFile, write_safetensors};
use half::{bf16, f16};

use crate::golden;
use crate::sentences::says;

fn open(name: &str) -> SafetensorsFile {
    SafetensorsFile::open(&golden::path(&format!("safetensors/{name}"))).unwrap()
}

/// Every tensor of a file, in an order that is not the file's.
fn tensors(file: &SafetensorsFile) -> Vec<NamedTensor<'_>> {
    let tensor = |name: &str| {
        let view = file.get(name).unwrap();
        (name.to_owned(), view.dtype, view.shape.to_vec(), Cow::Borrowed(view.bytes))
    };
    file.names().map(tensor).collect()
}

#[test]
fn what_we_write_equals_the_reference_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["every_dtype.safetensors", "floats.safetensors"] {
        let file = open(name);
        let path = dir.path().join(name);
        write_safetensors(&path, &tensors(&file), file.metadata()).unwrap();
        let reference = fs_err::read(golden::path(&format!("safetensors/{name}"))).unwrap();
        assert!(fs_err::read(&path).unwrap() == reference, "{name} differs");
    }
}

#[test]
fn every_type_of_the_reference_is_known() {
    let file = open("every_dtype.safetensors");
    assert_eq!(file.len(), 19);
    assert_eq!(file.metadata(), &BTreeMap::from([("format".to_owned(), "pt".to_owned())]));
    for tensor in file.tensors() {
        assert_eq!(tensor.shape, [3]);
        assert_eq!(Dtype::from_name(tensor.dtype.name()), Some(tensor.dtype));
        let is_weight = matches!(tensor.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16);
        if is_weight {
            assert_eq!(tensor.to_f32().unwrap(), [1.0, 0.0, 1.0]);
        } else {
            says(tensor.to_f32(), &[tensor.name, tensor.dtype.name(), "F32, F16 or BF16"]);
        }
    }
}

#[test]
fn values_are_widened_exactly() {
    let file = open("floats.safetensors");
    let exact = [0.0f32, -0.0, 1.0, -2.5, 65504.0, 1e-7];
    let special = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 3.0e38, 1e-40];
    let round = |dtype: &str, x: f32| match dtype {
        "float16" => f16::from_f32(x).to_f32(),
        "bfloat16" => bf16::from_f32(x).to_f32(),
        _ => x,
    };
    for dtype in ["float32", "float16", "bfloat16"] {
        let values = file.require(&format!("values.{dtype}"), &[2, 3]).unwrap();
        let specials = file.require(&format!("special.{dtype}"), &[5]).unwrap();
        for (view, source) in [(values, &exact[..]), (specials, &special[..])] {
            let expected: Vec<u32> = source.iter().map(|&x| bits(round(dtype, x))).collect();
            let read = view.to_f32().unwrap();
            assert_eq!(read.iter().map(|&x| bits(x)).collect::<Vec<_>>(), expected, "{dtype}");
            let mut out = vec![0.0; read.len()];
            view.read_f32(&mut out).unwrap();
            assert_eq!(out.iter().map(|&x| bits(x)).collect::<Vec<_>>(), expected, "{dtype}");
        }
        assert_eq!(values.as_bf16().is_some(), dtype == "bfloat16");
        assert_eq!(values.as_f32().is_some(), dtype == "float32");
    }
    let bf16s = file.get("values.bfloat16").unwrap().as_bf16().unwrap();
    assert_eq!(bf16s[3], bf16::from_f32(-2.5));
    assert_eq!(file.get("scalar").unwrap().to_f32().unwrap(), [7.25]);
    assert_eq!(file.get("empty").unwrap().elements(), 0);
    assert!(file.get("ünïcode \"quoted\"\n").is_some());
}

/// The bits, with every NaN taken for one.
fn bits(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
}

#[test]
fn a_file_that_is_not_aligned_reads_the_same() {
    let json = br#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#;
    for padding in 0..9 {
        let mut bytes = ((json.len() + padding) as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json);
        bytes.resize(bytes.len() + padding, b' ');
        bytes.extend_from_slice(&[0x80, 0x3f, 0x20, 0xc0]);
        let file = SafetensorsFile::from_bytes(bytes, Path::new("f")).unwrap();
        let view = file.get("a").unwrap();
        assert_eq!(view.to_f32().unwrap(), [1.0, -2.5]);
        let expected = [bf16::from_f32(1.0), bf16::from_f32(-2.5)];
        assert_eq!(view.as_bf16().unwrap().as_ref(), expected);
    }
}

#[test]
fn a_buffer_of_another_length_is_refused() {
    let file = open("floats.safetensors");
    let view = file.get("values.float16").unwrap();
    says(view.read_f32(&mut [0.0; 5]), &["values.float16", "holds 6", "5 were expected"]);
}

#[test]
fn tensors_that_cannot_be_written_are_refused_and_leave_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let tensor = |name: &str, bytes: usize| -> NamedTensor<'static> {
        (name.to_owned(), Dtype::F32, vec![2], Cow::Owned(vec![0; bytes]))
    };
    let write = |tensors: &[NamedTensor<'_>]| write_safetensors(&path, tensors, &BTreeMap::new());
    says(write(&[tensor("a", 7)]), &["tensor `a`", "[2]", "F32", "7 bytes"]);
    says(write(&[tensor("a", 8), tensor("a", 8)]), &["tensor `a`", "twice"]);
    says(write(&[tensor("__metadata__", 8)]), &["`__metadata__`"]);
    assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0);
    write(&[]).unwrap();
    assert!(SafetensorsFile::open(&path).unwrap().is_empty());
}

#[test]
fn a_released_tensor_is_read_again_from_the_file() {
    let file = open("floats.safetensors");
    let read = || tensors(&file).into_iter().map(|t| t.3.into_owned()).collect::<Vec<_>>();
    let before = read();
    file.names().for_each(|name| file.release(name));
    file.release("no such tensor");
    assert!(read() == before);
}
