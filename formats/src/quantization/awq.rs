//! AWQ: the settings that decide how its integers are packed.

use crate::fields::Fields;
use crate::{Error, Result};

use super::group_size;

/// The settings of an AWQ model in the `gemm` layout, 4 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awq {
    /// Input columns that share a scale; `None` for all of them.
    pub group_size: Option<usize>,
}

impl Awq {
    pub(super) fn parse(fields: Fields<'_>) -> Result<Self> {
        let key = if fields.value("w_bit").is_some() { "w_bit" } else { "bits" };
        if let Some(bits) = fields.count(key, 1, 32)?.filter(|&bits| bits != 4) {
            return Err(Error::unsupported(
                fields.path(),
                format!("AWQ with `{key}` {bits}"),
                "expected 4 bits; use the unquantized model",
            ));
        }
        layout(fields)?;
        Ok(Self { group_size: group_size(fields, &["group_size", "q_group_size"])? })
    }
}

fn layout(fields: Fields<'_>) -> Result<()> {
    let mut named = None;
    for key in ["version", "format", "checkpoint_format"] {
        named = named.or(fields.str(key)?);
    }
    let layout = named.unwrap_or("gemm").to_lowercase();
    if layout == "gemm" {
        return Ok(());
    }
    let advice = "expected the gemm layout; use a model saved in it, or the unquantized model";
    Err(Error::unsupported(fields.path(), format!("the AWQ layout \"{layout}\""), advice))
}
