//! Choosing the reader of a model's weights by what lies in its folder.

use std::path::Path;

use formats::Quantization;

use crate::{DenseWeights, QuantizedWeights, Result, Weights};

/// Opens the weights of the model folder `dir`, whatever they are stored as. A folder without
/// `config.json` is taken to be dense.
///
/// # Errors
/// What [`DenseWeights::open`] or [`QuantizedWeights::open`] says.
pub fn open_weights(dir: &Path) -> Result<Box<dyn Weights>> {
    let described = dir.join("config.json").exists();
    if described && Quantization::read(dir)?.is_some() {
        return Ok(Box::new(QuantizedWeights::open(dir)?));
    }
    Ok(Box::new(DenseWeights::open(dir)?))
}
