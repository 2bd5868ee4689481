//! Trainable tensors on disk: f32 for what resumes, bf16 for a finished base.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use formats::{Dtype, NamedTensor, SafetensorsFile, write_safetensors};
use half::bf16;

use super::error::TrainError;
use super::parameters::Parameters;

/// Writes every parameter under its name, whole.
///
/// # Errors
/// When `dtype` is neither f32 nor bf16, or the file cannot be written.
pub fn write_parameters(
    path: &Path,
    parameters: &Parameters,
    dtype: Dtype,
) -> Result<(), TrainError> {
    let mut tensors: Vec<NamedTensor> = Vec::with_capacity(parameters.len());
    for (parameter, values) in parameters.iter().zip(parameters.values()?) {
        let shape = parameter.var.dims().to_vec();
        tensors.push((parameter.name.clone(), dtype, shape, Cow::Owned(bytes(&values, dtype)?)));
    }
    // PEFT and transformers expect to be told which framework's layout this is.
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    Ok(write_safetensors(path, &tensors, &metadata)?)
}

/// Sets every parameter from the tensor of its name in an f32 file.
///
/// # Errors
/// When a tensor is missing, has another shape, or is not stored exactly.
pub fn read_parameters(path: &Path, parameters: &Parameters) -> Result<(), TrainError> {
    let file = SafetensorsFile::open(path)?;
    for (index, parameter) in parameters.iter().enumerate() {
        let values = file.require(&parameter.name, parameter.var.dims())?.to_f32()?;
        parameters.set(index, values)?;
    }
    Ok(())
}

/// Little-endian bytes of `values` as `dtype`, rounded to nearest even.
pub fn bytes(values: &[f32], dtype: Dtype) -> Result<Vec<u8>, TrainError> {
    match dtype {
        Dtype::F32 => Ok(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Dtype::BF16 => Ok(values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect()),
        other => Err(TrainError::Setting(format!(
            "trained weights can be written as f32 or bf16, not as {other}"
        ))),
    }
}
