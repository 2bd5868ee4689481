//! bitsandbytes: the `quantization_config`, and the `quant_state` that lies beside each 4-bit weight.

use std::path::Path;

use crate::Result;
use crate::fields::{Fields, parse_object};
use crate::safetensors::Dtype;

/// Limits on what a quant state may say; products are checked by whoever multiplies.
const MAX_EXTENT: usize = 1 << 40;
const MAX_DIMS: usize = 8;

/// Which kind of bitsandbytes weights a model says it has. The tensors decide for each weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitsAndBytes {
    /// `load_in_4bit`: NF4 or FP4.
    FourBit,
    /// `load_in_8bit`: LLM.int8.
    EightBit,
}

impl BitsAndBytes {
    pub(super) fn parse(fields: Fields<'_>) -> Result<Self> {
        let flag = |key: &str| fields.bool(key).map(|set| set.unwrap_or(false));
        let four = flag("load_in_4bit")? || flag("_load_in_4bit")?;
        let eight = flag("load_in_8bit")? || flag("_load_in_8bit")?;
        match (four, eight) {
            (true, false) => Ok(Self::FourBit),
            (false, true) => Ok(Self::EightBit),
            _ => {
                let problem = "and `load_in_8bit`: exactly one must be true";
                Err(fields.problem("load_in_4bit", problem))
            }
        }
    }
}

/// The sixteen values that a 4-bit code may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FourBitType {
    /// Normal float: quantiles of a normal distribution.
    Nf4,
    /// A float of one sign, two exponent and one mantissa bits.
    Fp4,
}

impl FourBitType {
    /// Every type.
    pub const ALL: [Self; 2] = [Self::Nf4, Self::Fp4];

    /// The name in tensor names and quant states.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nf4 => "nf4",
            Self::Fp4 => "fp4",
        }
    }
}

/// How the scales of a weight are quantized themselves ("double quantization").
#[derive(Clone, Debug, PartialEq)]
pub struct Nested {
    /// Scales that share one nested scale.
    pub blocksize: usize,
    /// Added to every scale: the mean that was taken off.
    pub offset: f32,
}

/// What bitsandbytes keeps as JSON in `<weight>.quant_state.bitsandbytes__nf4` or `__fp4`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantState {
    /// The code's meaning.
    pub quant_type: FourBitType,
    /// Consecutive values, in row-major order, that share one scale.
    pub blocksize: usize,
    /// The type of the weight before it was quantized.
    pub dtype: Dtype,
    /// The shape of the weight, outermost first.
    pub shape: Vec<usize>,
    /// Present if the scales are quantized.
    pub nested: Option<Nested>,
}

impl QuantState {
    /// Reads the JSON that the tensor's bytes hold; `path` and `tensor` are used in messages only.
    ///
    /// # Errors
    /// [`crate::Error::Json`] or [`crate::Error::Malformed`].
    pub fn parse(bytes: &[u8], path: &Path, tensor: &str) -> Result<Self> {
        let object = parse_object(&String::from_utf8_lossy(bytes), path)?;
        let prefix = format!("{tensor}: ");
        let fields = Fields::new(&object, path).inside(&object, &prefix);
        let missing = |key: &str| fields.problem(key, "is missing from the quantization state");
        let quant_type = fields.typed("quant_type", "nf4 or fp4", |value| {
            FourBitType::ALL.into_iter().find(|kind| value.as_str() == Some(kind.name()))
        })?;
        let dtype = fields.typed("dtype", "float32, float16 or bfloat16", |value| {
            Dtype::from_torch(value.as_str()?)
        })?;
        let shape = fields.typed("shape", "a list of whole numbers", |value| {
            let extents = value.as_array().filter(|dims| dims.len() <= MAX_DIMS)?.iter();
            extents.map(|dim| crate::fields::whole(dim).filter(|&n| n <= MAX_EXTENT)).collect()
        })?;
        Ok(Self {
            quant_type: quant_type.ok_or_else(|| missing("quant_type"))?,
            blocksize: fields.required_count("blocksize", super::MAX_GROUP)?,
            dtype: dtype.ok_or_else(|| missing("dtype"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
            nested: nested(fields)?,
        })
    }
}

fn nested(fields: Fields<'_>) -> Result<Option<Nested>> {
    let Some(blocksize) = fields.count("nested_blocksize", 1, super::MAX_GROUP)? else {
        return Ok(None);
    };
    let Some(offset) = fields.finite("nested_offset")? else {
        return Err(fields.problem("nested_offset", "is missing beside `nested_blocksize`"));
    };
    // bitsandbytes holds it as an f32 too.
    Ok(Some(Nested { blocksize, offset: offset as f32 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<QuantState> {
        QuantState::parse(json.as_bytes(), Path::new("m.safetensors"), "w.quant_state")
    }

    #[test]
    fn a_quant_state_is_read_as_bitsandbytes_writes_it() {
        let state = parse(
            r#"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [8, 320],
                "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.125}"#,
        );
        let nested = Some(Nested { blocksize: 256, offset: 0.125 });
        let (quant_type, dtype) = (FourBitType::Nf4, Dtype::BF16);
        let shape = vec![8, 320];
        assert_eq!(state.unwrap(), QuantState { quant_type, blocksize: 64, dtype, shape, nested });
    }

    #[test]
    fn what_a_quant_state_lacks_or_gets_wrong_is_named() {
        let message = |json: &str| parse(json).unwrap_err().to_string();
        assert!(message("{").contains("not valid JSON"));
        assert!(message("{}").contains("`w.quant_state: quant_type` is missing"));
        let of = |kind: &str, size: &str| {
            message(&format!(
                r#"{{"quant_type": "{kind}", "blocksize": {size}, "dtype": "float16", "shape": [1]}}"#
            ))
        };
        assert!(of("int4", "64").contains("quant_type` must be nf4 or fp4, found \"int4\""));
        assert!(of("nf4", "0").contains("blocksize` must be a whole number"));
    }
}
