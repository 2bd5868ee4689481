//! Writing an importance matrix as llama-imatrix does (`IMatrixCollector::save_imatrix`): of each
//! tensor the raw sums and the count, so that files over several texts can be added up.

use std::collections::BTreeMap;
use std::path::Path;

use formats::gguf::{self, Array, Metadata, NewTensor, TensorType, Value};

use super::importance::{COUNTS, SUMS};
use crate::{Error, Result};

/// What was multiplied with one matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnSums {
    /// For each column the sum of its inputs' squares.
    pub in_sum2: Vec<f64>,
    /// Inputs that were summed.
    pub count: usize,
}

/// An importance matrix to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImportance<'a> {
    /// By llama.cpp's tensor names.
    pub tensors: &'a BTreeMap<String, ColumnSums>,
    /// What the text is called.
    pub dataset: &'a str,
    /// Chunks of text that were run.
    pub chunks: usize,
    /// Tokens of each.
    pub chunk_size: usize,
}

/// Writes the file whole, replacing any file there.
///
/// # Errors
/// A sum that is not finite as f32; more chunks than the format counts; a file that cannot be written.
pub fn write_importance(path: &Path, importance: &NewImportance) -> Result<()> {
    let metadata = metadata(path, importance)?;
    let (mut tensors, mut data) = (Vec::new(), Vec::new());
    let mut add = |name: String, values: Vec<f32>| {
        tensors.push(NewTensor { name, shape: vec![1, values.len()], kind: TensorType::F32 });
        data.push(values);
    };
    for (name, sums) in importance.tensors {
        // The format's numbers are f32.
        let values: Vec<f32> = sums.in_sum2.iter().map(|sum| *sum as f32).collect();
        if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
            let problem = format!("the inputs of `{name}` sum up to {bad}; nothing was written");
            return Err(Error::refused(path, problem));
        }
        add(format!("{name}{SUMS}"), values);
        add(format!("{name}{COUNTS}"), vec![sums.count as f32]);
    }
    gguf::write_gguf(path, &metadata, &tensors, |at, out| {
        let bytes: Vec<u8> = data[at].iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(out.write_all(&bytes)?)
    })
}

fn metadata(path: &Path, importance: &NewImportance) -> Result<Metadata> {
    let number = |what: &str, count: usize| {
        let found = u32::try_from(count).map(Value::U32);
        found.map_err(|_| {
            Error::refused(path, format!("{count} {what} are too many for the format"))
        })
    };
    let mut metadata = Metadata::new();
    let datasets = Array::String(vec![importance.dataset.to_owned()]);
    metadata.set("general.type", Value::String("imatrix".to_owned()));
    metadata.set("imatrix.datasets", Value::Array(datasets));
    metadata.set("imatrix.chunk_count", number("chunks", importance.chunks)?);
    metadata.set("imatrix.chunk_size", number("tokens a chunk", importance.chunk_size)?);
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::super::Importance;
    use super::*;

    #[test]
    fn a_file_is_read_back_and_what_f32_cannot_hold_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.gguf");
        let write = |in_sum2: Vec<f64>| {
            let sums = ColumnSums { in_sum2, count: 4 };
            let tensors = BTreeMap::from([("blk.0.attn_q.weight".to_owned(), sums)]);
            let new =
                NewImportance { tensors: &tensors, dataset: "a.txt", chunks: 2, chunk_size: 2 };
            write_importance(&path, &new)
        };
        let error = write(vec![1.0, 1e39]).unwrap_err().to_string();
        assert!(error.contains("the inputs of `blk.0.attn_q.weight` sum up to inf"), "{error}");
        assert!(!path.exists());
        write(vec![8.0, 2.0, 0.0]).unwrap();
        let read = Importance::read(&path).unwrap();
        let means = read.of("blk.0.attn_q.weight", 3).unwrap();
        assert_eq!(means, Some(&[2.0, 0.5, 0.0][..]));
    }
}
