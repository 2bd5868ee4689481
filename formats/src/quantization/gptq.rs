//! GPTQ: the settings that decide how its integers are packed. Per-module overrides (`dynamic`) are
//! not read: the tensors' shapes say the same.

use crate::fields::Fields;
use crate::{Error, Result};

use super::group_size;

/// How zero points are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GptqVersion {
    /// `gptq`: one less than they are.
    V1,
    /// `gptq_v2`: as they are.
    V2,
}

/// The settings of a GPTQ model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gptq {
    /// Bits of a weight: 2, 3, 4 or 8.
    pub bits: usize,
    /// Input columns that share a scale; `None` for all of them.
    pub group_size: Option<usize>,
    /// How zero points are stored.
    pub version: GptqVersion,
    /// Whether single modules may have other bits and group sizes.
    pub overrides: bool,
}

impl Gptq {
    pub(super) fn parse(fields: Fields<'_>) -> Result<Self> {
        let bits = fields.required_count("bits", 8)?;
        if !matches!(bits, 2 | 3 | 4 | 8) {
            return Err(fields.problem("bits", &format!("must be 2, 3, 4 or 8, found {bits}")));
        }
        if let Some(packed) = fields.str("pack_dtype")?.filter(|name| *name != "int32") {
            let advice = "use a model packed in int32";
            let feature = format!("`pack_dtype` \"{packed}\"");
            return Err(Error::unsupported(fields.path(), feature, advice));
        }
        let overrides = fields.object("dynamic")?.is_some_and(|rules| !rules.is_empty());
        let version = version(fields)?;
        Ok(Self { bits, group_size: group_size(fields, &["group_size"])?, version, overrides })
    }
}

fn version(fields: Fields<'_>) -> Result<GptqVersion> {
    let marlin = fields.bool("is_marlin_format")?.unwrap_or(false);
    let named = match fields.str("checkpoint_format")? {
        Some(name) => Some(name),
        None => fields.str("format")?,
    };
    match named.unwrap_or(if marlin { "marlin" } else { "gptq" }) {
        "gptq" => Ok(GptqVersion::V1),
        "gptq_v2" => Ok(GptqVersion::V2),
        other => Err(Error::unsupported(
            fields.path(),
            format!("`checkpoint_format` \"{other}\""),
            "expected gptq or gptq_v2; use the model as it was before it was packed for one kernel",
        )),
    }
}
