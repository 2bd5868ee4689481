//! FP8 as transformers writes it: fine-grained blocks, one scale a tensor, or one a row.

use crate::Result;
use crate::fields::Fields;

use super::block;

/// The settings of an FP8 model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fp8 {
    /// `weight_block_size`, `[rows, columns]`; `None` if a tensor or a row has one scale.
    pub block: Option<[usize; 2]>,
}

impl Fp8 {
    pub(super) fn parse(fields: Fields<'_>) -> Result<Self> {
        Ok(Self { block: block(fields, "weight_block_size")? })
    }
}
