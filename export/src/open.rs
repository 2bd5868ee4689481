//! Choosing the reader of a model's weights by what lies there.

use std::path::Path;

use formats::Quantization;

use crate::{DenseWeights, GgufWeights, QuantizedWeights, Result, Weights};

/// Opens the weights of the model folder `dir`, whatever they are stored as; a file is taken to be
/// GGUF, a folder without `config.json` to be dense.
///
/// # Errors
/// What [`DenseWeights::open`], [`QuantizedWeights::open`] or [`GgufWeights::open`] says.
pub fn open_weights(dir: &Path) -> Result<Box<dyn Weights>> {
    if dir.is_file() {
        return Ok(Box::new(GgufWeights::open(dir)?));
    }
    let described = dir.join("config.json").exists();
    if described && Quantization::read(dir)?.is_some() {
        return Ok(Box::new(QuantizedWeights::open(dir)?));
    }
    Ok(Box::new(DenseWeights::open(dir)?))
}
