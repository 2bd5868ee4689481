//! What merging needs of the base: which tensor holds the weight of a place, and comparisons and sums
//! over its values, streamed.

use crate::blocks::map_blocks;
use crate::{Result, TensorInfo, Weights};
use formats::peft::Place;
use formats::{Error as FormatError, ModelConfig, TensorView};
use std::path::Path;

/// A base model, whatever its weights are stored as.
#[derive(Clone, Copy)]
pub(super) struct Base<'a> {
    pub(super) weights: &'a dyn Weights,
    pub(super) config: &'a ModelConfig,
    /// The model's folder, for messages.
    pub(super) dir: &'a Path,
}

impl<'a> Base<'a> {
    /// The weight at a place, `[n, k]`; a tied head's is the embedding's.
    ///
    /// # Errors
    /// A base whose tensors are not those that its configuration asks for.
    pub(super) fn weight(&self, place: Place) -> Result<&'a TensorInfo> {
        let tied_head = place == Place::Head && self.config.tie_word_embeddings;
        let place = if tied_head { Place::Embed } else { place };
        let (n, k) = place.shape(self.config);
        self.require(&format!("{}.weight", place.path()), &[n, k])
    }

    /// The bias at a place, `[n]`; `None` where the base has none.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub(super) fn bias(&self, place: Place) -> Result<Option<&'a TensorInfo>> {
        let name = format!("{}.bias", place.path());
        let has = place.has_bias(self.config);
        has.then(|| self.require(&name, &[place.shape(self.config).0])).transpose()
    }

    fn require(&self, name: &str, shape: &[usize]) -> Result<&'a TensorInfo> {
        let (path, name) = (self.dir.to_owned(), name.to_owned());
        match self.weights.tensors().iter().find(|tensor| tensor.name == name) {
            Some(tensor) if tensor.shape == shape => Ok(tensor),
            Some(tensor) => {
                let (expected, found) = (shape.to_vec(), tensor.shape.clone());
                Err(FormatError::WrongShape { path, name, expected, found }.into())
            }
            None => Err(FormatError::MissingTensor { path, name }.into()),
        }
    }

    /// Whether an adapter's tensor holds the base's values.
    pub(super) fn holds(&self, place: Place, view: &TensorView) -> Result<bool> {
        let tensor = self.weight(place)?;
        let equal = map_blocks(tensor, |rows| {
            let mut base = vec![0.0; rows.len() * tensor.columns()];
            let mut other = base.clone();
            self.weights.read_rows(tensor, rows.clone(), &mut base)?;
            view.read_rows(rows, &mut other)?;
            Ok(base == other)
        })?;
        self.weights.release(tensor);
        Ok(equal.into_iter().all(|equal| equal))
    }

    /// Euclidean length of each column of what `change` makes of the rows of a weight, `[k]`.
    pub(super) fn column_norms(
        &self,
        tensor: &TensorInfo,
        change: impl Fn(std::ops::Range<usize>, &[f32], &mut [f32]) -> Result<()> + Send + Sync,
    ) -> Result<Vec<f32>> {
        let columns = tensor.columns();
        let parts = map_blocks(tensor, |rows| {
            let mut base = vec![0.0; rows.len() * columns];
            let mut changed = base.clone();
            self.weights.read_rows(tensor, rows.clone(), &mut base)?;
            change(rows, &base, &mut changed)?;
            let mut squares = vec![0.0_f64; columns];
            for row in changed.chunks_exact(columns) {
                for (sum, value) in squares.iter_mut().zip(row) {
                    *sum += f64::from(*value) * f64::from(*value);
                }
            }
            Ok(squares)
        })?;
        self.weights.release(tensor);
        let mut squares = vec![0.0_f64; columns];
        for part in parts {
            squares.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        Ok(squares.into_iter().map(|sum| sum.sqrt() as f32).collect())
    }
}
