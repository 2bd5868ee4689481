//! Checkpoints written by rows and in shards, against the writer of whole files and the reader.

use formats::{Checkpoint, CheckpointWriter, Dtype, TensorPlan, write_safetensors};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

fn plan(name: &str, dtype: Dtype, shape: &[usize]) -> TensorPlan {
    TensorPlan { name: name.into(), dtype, shape: shape.into() }
}

fn three() -> [TensorPlan; 3] {
    [plan("b", Dtype::BF16, &[4, 3]), plan("a", Dtype::F32, &[5]), plan("c", Dtype::BF16, &[2, 2])]
}

fn bytes(tensor: &TensorPlan) -> Vec<u8> {
    let count = tensor.dtype.bytes_for(&tensor.shape).unwrap();
    tensor.name.bytes().cycle().zip(0u8..).map(|(name, i)| name ^ i).take(count).collect()
}

fn fill(writer: &CheckpointWriter, tensors: &[TensorPlan]) {
    for tensor in tensors.iter().rev() {
        // In two parts, the last one first.
        let bytes = bytes(tensor);
        let (first, last) = bytes.split_at(6);
        writer.write(&tensor.name, 6, last).unwrap();
        writer.write(&tensor.name, 0, first).unwrap();
    }
}

#[test]
fn one_file_equals_the_one_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let writer = CheckpointWriter::create(dir.path(), &three(), 1000, &metadata).unwrap();
    fill(&writer, &three());
    let whole: Vec<_> = three()
        .iter()
        .map(|t| (t.name.clone(), t.dtype, t.shape.clone(), Cow::from(bytes(t))))
        .collect();
    write_safetensors(&dir.path().join("whole"), &whole, &metadata).unwrap();
    let read = |name: &str| fs_err::read(dir.path().join(name)).unwrap();
    assert_eq!(read("model.safetensors"), read("whole"));
    assert!(!dir.path().join("model.safetensors.index.json").exists());
}

#[test]
fn shards_hold_what_fits_in_order_and_the_index_finds_all() {
    let dir = tempfile::tempdir().unwrap();
    // 24, 20 and 8 bytes: the second does not fit with the first, the third does with the second.
    let writer = CheckpointWriter::create(dir.path(), &three(), 28, &BTreeMap::new()).unwrap();
    fill(&writer, &three());
    let names: Vec<_> = writer.paths().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    for tensor in three() {
        assert_eq!(checkpoint.get(&tensor.name).unwrap().bytes, bytes(&tensor), "{}", tensor.name);
    }
    let holds = |shard: usize| checkpoint.files()[shard].names().collect::<Vec<_>>();
    assert!(holds(0) == ["a", "c"] || holds(1) == ["a", "c"]);
    let index = fs_err::read(dir.path().join("model.safetensors.index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["metadata"]["total_size"], 52);
}

#[test]
fn a_tensor_larger_than_a_file_has_one_of_its_own_and_names_come_once() {
    let dir = tempfile::tempdir().unwrap();
    let count = |max: u64| {
        CheckpointWriter::create(dir.path(), &three(), max, &BTreeMap::new())
            .unwrap()
            .paths()
            .count()
    };
    assert_eq!((count(1), count(32), count(52)), (3, 2, 1));
    let twice = [plan("a", Dtype::F32, &[1]), plan("a", Dtype::F32, &[1])];
    for max in [1, 100] {
        let error =
            CheckpointWriter::create(dir.path(), &twice, max, &BTreeMap::new()).err().unwrap();
        assert!(error.to_string().contains("tensor `a` is given twice"), "{error}");
    }
    let nowhere = Path::new("/nowhere/at/all");
    assert!(CheckpointWriter::create(nowhere, &three(), 1, &BTreeMap::new()).is_err());
}
