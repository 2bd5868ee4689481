//! GGUF files: what is written is read back, a file of gguf-py reads as its writer meant it, and every
//! untrusted number is checked: each bad file gives a sentence.

use std::path::{Path, PathBuf};

use formats::gguf::{
    Array, GgufFile, GgufLayout, Metadata, NewTensor, TensorType, Value, write_gguf,
};
use formats::{Error, Result};

fn q8_0() -> TensorType {
    TensorType::from_name("Q8_0").unwrap()
}

fn tensor(name: &str, shape: &[usize], kind: TensorType) -> NewTensor {
    NewTensor { name: name.to_owned(), shape: shape.to_vec(), kind }
}

/// One value of every type.
fn every_value() -> Metadata {
    let mut metadata = Metadata::new();
    let strings = vec!["a".to_owned(), "\u{120}b".to_owned(), String::new()];
    metadata.set("z.string", Value::String("text \u{1F600}".to_owned()));
    metadata.set("a.u8", Value::U8(200));
    metadata.set("a.i8", Value::I8(-3));
    metadata.set("a.u16", Value::U16(60_000));
    metadata.set("a.i16", Value::I16(-30_000));
    metadata.set("a.u32", Value::U32(4_000_000_000));
    metadata.set("a.i32", Value::I32(-2_000_000_000));
    metadata.set("a.u64", Value::U64(u64::MAX));
    metadata.set("a.i64", Value::I64(i64::MIN));
    metadata.set("a.f32", Value::F32(0.1));
    metadata.set("a.f64", Value::F64(1e-300));
    metadata.set("a.bool", Value::Bool(true));
    metadata.set("b.strings", Value::Array(Array::String(strings)));
    metadata.set("b.i32s", Value::Array(Array::I32(vec![1, -1])));
    metadata.set("b.bools", Value::Array(Array::Bool(vec![false, true])));
    let nested = Array::Array(vec![Array::U8(vec![1, 2]), Array::F64(Vec::new())]);
    metadata.set("b.nested", Value::Array(nested));
    metadata
}

fn bytes_of(metadata: &Metadata, tensors: &[NewTensor], data: &[Vec<u8>]) -> Vec<u8> {
    let layout = GgufLayout::new(Path::new("new.gguf"), metadata, tensors).unwrap();
    let mut out = Vec::new();
    layout.write(&mut out, |index, out| out.write_all(&data[index])).unwrap();
    assert_eq!(out.len() as u64, layout.file_bytes());
    out
}

/// Two tensors behind one metadata entry of every type.
fn sound() -> Vec<u8> {
    let tensors = [tensor("w", &[3, 2], TensorType::F32), tensor("q", &[2, 32], q8_0())];
    bytes_of(&every_value(), &tensors, &[vec![7; 24], vec![9; 68]])
}

fn open(bytes: &[u8]) -> Result<GgufFile> {
    GgufFile::from_bytes(bytes.to_vec(), Path::new("x.gguf"))
}

/// The sentence that a bad file is refused with.
fn refused(bytes: &[u8]) -> String {
    match open(bytes) {
        Ok(_) => panic!("the file was taken"),
        Err(error) => error.to_string(),
    }
}

/// A head of version 3 with these counts, followed by `rest`.
fn head(tensors: u64, entries: u64, rest: &[u8]) -> Vec<u8> {
    let counts = [tensors.to_le_bytes(), entries.to_le_bytes()].concat();
    [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &counts, rest].concat()
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&string(key), kind.to_le_bytes().as_slice(), value].concat()
}

fn record(name: &str, extents: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut record = [string(name), (extents.len() as u32).to_le_bytes().to_vec()].concat();
    extents.iter().for_each(|extent| record.extend(extent.to_le_bytes()));
    [record, kind.to_le_bytes().to_vec(), offset.to_le_bytes().to_vec()].concat()
}

/// A file of these tensor records and so many bytes of data.
fn with_records(records: &[Vec<u8>], data: usize) -> Vec<u8> {
    let mut file = head(records.len() as u64, 0, &records.concat());
    file.resize(file.len().next_multiple_of(32) + data, 0);
    file
}

#[test]
fn what_is_written_is_read_back_in_order() {
    let file = open(&sound()).unwrap();
    assert_eq!((file.version(), file.alignment()), (3, 32));
    assert_eq!(file.metadata(), &every_value());
    let keys: Vec<&str> = file.metadata().iter().map(|(key, _)| key).collect();
    assert_eq!(keys[..3], ["z.string", "a.u8", "a.i8"]);
    let [w, q] = file.tensors() else { panic!("two tensors") };
    assert_eq!(
        (w.name.as_str(), w.shape.as_slice(), w.kind),
        ("w", [3, 2].as_slice(), TensorType::F32)
    );
    assert_eq!((q.shape.as_slice(), q.kind, q.bytes()), ([2, 32].as_slice(), q8_0(), 68));
    assert_eq!(file.tensor_bytes(w), [7; 24]);
    assert_eq!(file.tensor_bytes(file.tensor("q").unwrap()), [9; 68]);
    assert!(file.require("w", &[2, 3]).unwrap_err().to_string().contains("has shape [3, 2]"));
    assert!(file.require("v", &[2, 3]).unwrap_err().to_string().contains("`v` is missing"));
}

#[test]
fn values_are_found_by_meaning() {
    let metadata = every_value();
    assert_eq!(metadata.unsigned("a.u8"), Some(200));
    assert_eq!(metadata.unsigned("a.i8"), None, "negative");
    assert_eq!(metadata.float("a.f64"), Some(1e-300));
    assert_eq!(metadata.bool("a.bool"), Some(true));
    assert_eq!(metadata.strings("b.strings").map(<[String]>::len), Some(3));
    assert_eq!(metadata.str("a.u8"), None, "another type");
}

/// `recorded.gguf` was written by gguf-py; see `record.py`.
#[test]
fn a_file_of_the_reference_writer_reads_as_meant_and_is_written_to_the_byte() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf/recorded.gguf");
    let file = GgufFile::open(&path).unwrap();
    let metadata = file.metadata();
    assert_eq!(metadata.str("general.architecture"), Some("test"));
    assert_eq!(metadata.unsigned("test.block_count"), Some(3));
    assert_eq!(metadata.float("test.epsilon"), Some(f64::from(1e-6_f32)));
    assert_eq!(metadata.array("test.types"), Some(&Array::I32(vec![1, 2, 3])));
    assert_eq!(metadata.strings("test.tokens").unwrap(), ["a", "b\u{e9}"]);
    let matrix = file.tensor("matrix.weight").unwrap();
    assert_eq!((matrix.shape.as_slice(), matrix.kind), ([2, 3].as_slice(), TensorType::F16));
    let halves: Vec<u8> = [0.0_f32, 1.0, 2.0, 3.0, 4.0, 5.0]
        .iter()
        .flat_map(|&x| half::f16::from_f32(x).to_le_bytes())
        .collect();
    assert_eq!(file.tensor_bytes(matrix), halves);

    let mut again = Vec::new();
    let new = |t: &formats::gguf::GgufTensor| tensor(&t.name, &t.shape, t.kind);
    let tensors: Vec<NewTensor> = file.tensors().iter().map(new).collect();
    let layout = GgufLayout::new(&path, metadata, &tensors).unwrap();
    let data = |index: usize, out: &mut dyn std::io::Write| {
        out.write_all(file.tensor_bytes(&file.tensors()[index]))
    };
    layout.write(&mut again, data).unwrap();
    assert_eq!(again, fs_err::read(&path).unwrap());
}

#[test]
fn another_alignment_is_honoured() {
    let mut metadata = Metadata::new();
    metadata.set("general.alignment", Value::U32(128));
    let tensors = [tensor("a", &[1], TensorType::F32), tensor("b", &[1], TensorType::F32)];
    let bytes = bytes_of(&metadata, &tensors, &[vec![1; 4], vec![2; 4]]);
    assert_eq!(bytes.len(), 3 * 128);
    let file = open(&bytes).unwrap();
    assert_eq!(file.tensor_bytes(&file.tensors()[1]), [2; 4]);
}

#[test]
fn a_file_without_tensors_needs_no_padding() {
    let file = open(&head(0, 1, &entry("k", 0, &[1]))).unwrap();
    assert!(file.tensors().is_empty());
    assert_eq!(file.metadata().unsigned("k"), Some(1));
}

#[test]
fn every_truncation_is_refused() {
    let sound = sound();
    // The last tensor takes 68 bytes and 28 of padding, which nobody misses.
    let needed = sound.len() - 28;
    assert!(open(&sound[..needed]).is_ok());
    for length in 0..needed {
        let sentence = refused(&sound[..length]);
        assert!(sentence.starts_with("x.gguf: "), "{sentence}");
    }
}

#[test]
fn no_changed_byte_of_the_head_breaks_the_reader() {
    let sound = sound();
    let head = sound.len() - 32 - 96;
    for at in 0..head {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = sound.clone();
            bytes[at] ^= change;
            if let Ok(file) = open(&bytes) {
                file.tensors()
                    .iter()
                    .for_each(|t| assert_eq!(file.tensor_bytes(t).len(), t.bytes()));
            }
        }
    }
}

#[test]
fn what_is_no_gguf_or_another_version_is_said() {
    assert!(
        refused(b"PK\x03\x04 and more").contains("begins with `PK\\x03\\x04`, expected `GGUF`")
    );
    let version = |version: u32| [b"GGUF", version.to_le_bytes().as_slice(), &[0; 16]].concat();
    assert!(open(&version(2)).is_ok());
    assert!(refused(&version(1)).contains("GGUF version 1 is not supported"));
    assert!(refused(&version(4)).contains("versions 2 and 3 are read"));
    assert!(refused(&version(3_u32.swap_bytes())).contains("big-endian"));
}

#[test]
fn counts_and_lengths_beyond_the_file_are_refused_before_anything_is_allocated() {
    let all = u64::MAX;
    assert!(refused(&head(all, 0, &[])).contains("the number of tensors claims"));
    assert!(refused(&head(0, all, &[])).contains("the number of metadata entries claims"));
    let long = entry("k", 8, &all.to_le_bytes());
    assert!(refused(&head(0, 1, &long)).contains("`k`) needs 18446744073709551615 more bytes"));
    for kind in 0..=12_u32 {
        let array = [kind.to_le_bytes().as_slice(), &(all / 8).to_le_bytes()].concat();
        let sentence = refused(&head(0, 1, &entry("k", 9, &array)));
        assert!(sentence.contains("claims 2305843009213693951 items"), "{kind}: {sentence}");
    }
}

#[test]
fn unsound_metadata_are_refused() {
    let twice = [entry("k", 0, &[1]), entry("k", 0, &[1])].concat();
    assert!(refused(&head(0, 2, &twice)).contains("metadata entry 1 (`k`) is there twice"));
    assert!(refused(&head(0, 1, &entry("", 0, &[1]))).contains("has an empty key"));
    assert!(refused(&head(0, 1, &entry("k", 13, &[1]))).contains("unknown value type 13"));
    assert!(refused(&head(0, 1, &entry("k", 7, &[2]))).contains("holds 2 where true (1)"));
    let latin = [1_u64.to_le_bytes().as_slice(), &[0xff]].concat();
    assert!(refused(&head(0, 1, &entry("k", 8, &latin))).contains("not UTF-8"));
    let mut deep = Vec::new();
    for _ in 0..1000 {
        deep.extend([9_u32.to_le_bytes().as_slice(), &1_u64.to_le_bytes()].concat());
    }
    assert!(refused(&head(0, 1, &entry("k", 9, &deep))).contains("deeper than 4"));
    for alignment in [0_u32, 24] {
        let value = entry("general.alignment", 4, &alignment.to_le_bytes());
        assert!(refused(&head(0, 1, &value)).contains("must be a u32 power of two"));
    }
    let float = entry("general.alignment", 6, &32.0_f32.to_le_bytes());
    assert!(refused(&head(0, 1, &float)).contains("found F32(32.0)"));
}

#[test]
fn unsound_tensors_are_refused() {
    let one = |record: Vec<u8>| refused(&with_records(&[record], 64));
    assert!(one(record("", &[1], 0, 0)).contains("has an empty name"));
    assert!(one(record("t", &[1, 1, 1, 1, 1], 0, 0)).contains("has 5 dimensions"));
    assert!(one(record("t", &[0], 0, 0)).contains("has an extent of 0"));
    assert!(one(record("t", &[1 << 63], 0, 0)).contains("has an extent of 9223372036854775808"));
    assert!(one(record("t", &[1 << 40, 1 << 40], 0, 0)).contains("no possible size"));
    assert!(one(record("t", &[33], 8, 0)).contains("must be a multiple of 32 values"));
    assert!(one(record("t", &[1], 4, 0)).contains("unknown ggml type 4"));
    assert!(one(record("t", &[1], 0, 4)).contains("expected a multiple of the alignment 32"));
    assert!(one(record("t", &[17], 0, 0)).contains("takes 68 bytes from byte 0 of the data"));
    assert!(one(record("t", &[1], 0, 64)).contains("but the file holds 64"));
    assert!(one(record("t", &[1], 0, u64::MAX - 31)).contains("but the file holds 64"));
    let pair = |a, b| refused(&with_records(&[a, b], 64));
    let sentence = pair(record("t", &[1], 0, 0), record("t", &[1], 0, 32));
    assert!(sentence.contains("tensor `t` is there twice"), "{sentence}");
    let sentence = pair(record("s", &[1], 0, 32), record("t", &[9], 0, 0));
    assert!(sentence.contains("tensors `t` and `s` overlap"), "{sentence}");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let refusal = |tensors: &[NewTensor]| {
        let layout = GgufLayout::new(Path::new("x.gguf"), &Metadata::new(), tensors);
        layout.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let f32 = TensorType::F32;
    assert!(refusal(&[tensor("t", &[1], f32), tensor("t", &[1], f32)]).contains("given twice"));
    assert!(refusal(&[tensor(&"n".repeat(64), &[1], f32)]).contains("64 bytes or more"));
    assert!(refusal(&[tensor("t", &[1; 5], f32)]).contains("more than 4 dimensions"));
    assert!(refusal(&[tensor("t", &[48], q8_0())]).contains("cannot be stored as Q8_0"));
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("m.gguf");
    let tensors = [tensor("t", &[2], TensorType::F32)];
    let write = |bytes: usize| {
        write_gguf::<Error>(&path, &Metadata::new(), &tensors, |_, out| {
            Ok(out.write_all(&vec![5; bytes])?)
        })
    };
    let short = write(7).unwrap_err().to_string();
    assert!(short.contains("tensor 0 got 7 bytes, expected 8"), "{short}");
    assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    write(8).unwrap();
    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.tensor_bytes(&file.tensors()[0]), [5; 8]);
}

#[test]
fn a_piece_whose_merges_would_take_for_ever_is_refused() {
    let mut metadata = Metadata::new();
    metadata.set("tokenizer.ggml.model", Value::String("llama".into()));
    let tokens = vec!["a".to_owned(), "a".repeat(1 << 22)];
    metadata.set("tokenizer.ggml.scores", Value::Array(Array::F32(vec![0.0; 2])));
    metadata.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    let file = open(&bytes_of(&metadata, &[], &[])).unwrap();
    let message = formats::gguf_model::tokenizer_json(&file).unwrap_err().to_string();
    assert!(message.contains("has a token of 4194304 bytes (number 1), at most 512"), "{message}");
}
