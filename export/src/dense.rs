//! A checkpoint whose tensors are stored as floats.

use crate::{Result, TensorInfo, Weights};
use formats::{Checkpoint, TensorView};
use std::ops::Range;
use std::path::Path;

/// The tensors of a Hugging Face folder, memory-mapped.
pub struct DenseWeights {
    checkpoint: Checkpoint,
    tensors: Vec<TensorInfo>,
}

impl DenseWeights {
    /// Opens the model folder `dir`.
    ///
    /// # Errors
    /// Whatever is wrong with the folder's weights.
    pub fn open(dir: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::open(dir)?;
        let views = checkpoint.files().iter().flat_map(|file| file.tensors());
        let tensors = views.map(info).collect();
        Ok(Self { checkpoint, tensors })
    }

    /// The files behind it.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

fn info(view: TensorView) -> TensorInfo {
    TensorInfo { name: view.name.to_owned(), shape: view.shape.to_vec(), dtype: view.dtype }
}

impl Weights for DenseWeights {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read_rows(&self, tensor: &TensorInfo, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        read_rows(&self.checkpoint, tensor, rows, out)
    }

    fn release(&self, tensor: &TensorInfo) {
        self.checkpoint.release(&tensor.name);
    }
}

/// Rows of a tensor that is stored as floats.
pub(crate) fn read_rows(
    files: &Checkpoint,
    tensor: &TensorInfo,
    rows: Range<usize>,
    out: &mut [f32],
) -> Result<()> {
    let view = files.require(&tensor.name, &tensor.shape)?;
    Ok(view.read_rows(rows, out)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::{Dtype, write_safetensors};
    use std::borrow::Cow;

    #[test]
    fn rows_are_read_as_f32_from_any_place_in_a_matrix() {
        let dir = tempfile::tempdir().unwrap();
        let half = [1.5_f32, -2.0, 0.25, 3.0, -0.5, 8.0].map(half::bf16::from_f32);
        let matrix: Vec<u8> = half.iter().flat_map(|v| v.to_le_bytes()).collect();
        let vector: Vec<u8> = [0.1_f32, 0.2].iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensors = [
            ("m.weight".to_owned(), Dtype::BF16, vec![3, 2], Cow::from(matrix)),
            ("m.bias".to_owned(), Dtype::F32, vec![2], Cow::from(vector)),
        ];
        write_safetensors(&dir.path().join("model.safetensors"), &tensors, &Default::default())
            .unwrap();

        let weights = DenseWeights::open(dir.path()).unwrap();
        let find = |name: &str| weights.tensors().iter().find(|t| t.name == name).unwrap();
        let (matrix, vector) = (find("m.weight"), find("m.bias"));
        assert_eq!((matrix.rows(), matrix.columns(), matrix.dtype), (3, 2, Dtype::BF16));
        assert_eq!((vector.rows(), vector.columns()), (1, 2));
        let mut rows = [0.0; 4];
        weights.read_rows(matrix, 1..3, &mut rows).unwrap();
        assert_eq!(rows, [0.25, 3.0, -0.5, 8.0]);
        let mut row = [0.0; 2];
        weights.read_rows(vector, 0..1, &mut row).unwrap();
        assert_eq!(row, [0.1, 0.2]);
    }
}
