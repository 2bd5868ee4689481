//! `quantization_config` of a model's `config.json`: how its weights are stored.
//!
//! One method, one file. What decides is checked here by name; the tensors themselves, and whether
//! they agree with what is said here, are the business of whoever de-quantizes them. Settings that
//! only matter while quantizing or computing (calibration, kernels, activations) are not read.

mod awq;
mod bitsandbytes;
mod compressed;
mod fp8;
mod gptq;
mod target;

use std::path::Path;

use serde_json::{Map, Value};

use crate::fields::{Fields, parse_object};
use crate::{Error, Result};

pub use awq::Awq;
pub use bitsandbytes::{BitsAndBytes, FourBitType, Nested, QuantState};
pub use compressed::{CompressedTensors, Group, Strategy, WeightArgs};
pub use fp8::Fp8;
pub use gptq::{Gptq, GptqVersion};
pub use target::Target;

/// Largest group, block or row that any of these methods may name.
const MAX_GROUP: usize = 1 << 24;

/// How the weights of a quantized model are stored.
#[derive(Clone, Debug)]
pub enum Quantization {
    /// `bitsandbytes`: NF4, FP4 or LLM.int8.
    BitsAndBytes(BitsAndBytes),
    /// `gptq`, of AutoGPTQ or GPTQModel.
    Gptq(Gptq),
    /// `awq`, of AutoAWQ or GPTQModel.
    Awq(Awq),
    /// `compressed-tensors`, of llm-compressor.
    CompressedTensors(CompressedTensors),
    /// `fp8` (fine-grained or per tensor) and `fbgemm_fp8`.
    Fp8(Fp8),
}

impl Quantization {
    /// Reads `config.json` in a model folder; `None` if the weights are not quantized.
    ///
    /// # Errors
    /// [`Error::Io`], or what [`Self::parse`] says.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join("config.json");
        Self::parse(&fs_err::read_to_string(&path)?, &path)
    }

    /// Reads the text of a `config.json`; `path` is used in messages only.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a setting of a wrong type or range, [`Error::Unsupported`] for a
    /// method or a variant of one that this program cannot read.
    pub fn parse(json: &str, path: &Path) -> Result<Option<Self>> {
        let object = parse_object(json, path)?;
        let top = Fields::new(&object, path);
        for key in ["quantization_config", "compression_config"] {
            if let Some(map) = top.object(key)? {
                let prefix = format!("{key}.");
                return Self::from_fields(map, top.inside(map, &prefix)).map(Some);
            }
        }
        Ok(None)
    }

    fn from_fields(map: &Map<String, Value>, fields: Fields<'_>) -> Result<Self> {
        let method = match fields.str("quant_method")? {
            Some(method) => method.to_lowercase(),
            None => implied_method(map).ok_or_else(|| unnamed(fields))?.to_owned(),
        };
        match method.as_str() {
            "bitsandbytes" | "bitsandbytes_4bit" | "bitsandbytes_8bit" | "llm_int8" => {
                BitsAndBytes::parse(fields).map(Self::BitsAndBytes)
            }
            "gptq" => Gptq::parse(fields).map(Self::Gptq),
            "awq" => Awq::parse(fields).map(Self::Awq),
            "compressed-tensors" => CompressedTensors::parse(fields).map(Self::CompressedTensors),
            "fp8" | "fbgemm_fp8" => Fp8::parse(fields).map(Self::Fp8),
            other => Err(unknown(fields, other)),
        }
    }

    /// The method's name, as in `quant_method`.
    pub fn method(&self) -> &'static str {
        match self {
            Self::BitsAndBytes(_) => "bitsandbytes",
            Self::Gptq(_) => "gptq",
            Self::Awq(_) => "awq",
            Self::CompressedTensors(_) => "compressed-tensors",
            Self::Fp8(_) => "fp8",
        }
    }
}

/// Old files name no method, but have settings that only one method knows.
fn implied_method(map: &Map<String, Value>) -> Option<&'static str> {
    let has = |key: &str| map.contains_key(key);
    if has("load_in_4bit") || has("load_in_8bit") {
        return Some("bitsandbytes");
    }
    has("config_groups").then_some("compressed-tensors")
}

fn unnamed(fields: Fields<'_>) -> Error {
    let problem = "is missing; expected the name of the method by which the weights were quantized";
    fields.problem("quant_method", problem)
}

fn unknown(fields: Fields<'_>, method: &str) -> Error {
    Error::unsupported(
        fields.path(),
        format!("`quant_method` \"{method}\""),
        "expected bitsandbytes, gptq, awq, compressed-tensors or fp8; use the unquantized model",
    )
}

/// A group size: `-1`, `0` and `null` mean one group a row.
fn group_size(fields: Fields<'_>, keys: &[&str]) -> Result<Option<usize>> {
    let Some(&key) = keys.iter().find(|key| fields.value(key).is_some()) else { return Ok(None) };
    if fields.value(key).and_then(Value::as_i64).is_some_and(|size| size == -1 || size == 0) {
        return Ok(None);
    }
    fields.count(key, 1, MAX_GROUP)
}

/// A pair of extents, `[rows, columns]`.
fn block(fields: Fields<'_>, key: &str) -> Result<Option<[usize; 2]>> {
    let expected = format!("two whole numbers from 1 to {MAX_GROUP}");
    fields.typed(key, &expected, |value| {
        let sizes: Vec<usize> = value
            .as_array()?
            .iter()
            .map(|size| crate::fields::whole(size).filter(|n| (1..=MAX_GROUP).contains(n)))
            .collect::<Option<_>>()?;
        sizes.try_into().ok()
    })
}
