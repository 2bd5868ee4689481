//! Weights of one byte a value, integers or 8-bit floats, with a scale for the tensor, each row, each
//! group of columns or each block: HF FP8, and compressed-tensors' int-, float- and naive-quantized.
//!
//! Values are `(value - zero) · scale` in f32; the difference is exact. Sources: `Fp8Dequantize` of
//! transformers 5.23 and `NaiveQuantizationCompressor` of compressed-tensors 0.20.

use std::ops::Range;

use formats::{Checkpoint, Dtype};

use super::grid::Grid;
use super::part::{Part, byte_table, each_row};
use crate::Result;

/// A weight of one byte a value.
#[derive(Debug)]
pub(super) struct Scaled {
    pub(super) values: Part,
    pub(super) scales: Part,
    pub(super) zeros: Option<Part>,
    pub(super) grid: Grid,
    pub(super) columns: usize,
}

/// The types its values may have.
pub(super) const VALUES: [Dtype; 3] = [Dtype::I8, Dtype::F8_E4M3, Dtype::F8_E5M2];

impl Scaled {
    /// De-quantizes rows.
    pub(super) fn read(
        &self,
        files: &Checkpoint,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<()> {
        let (values, scales) = (self.values.bytes(files)?, self.scales.floats(files)?);
        let table = byte_table(self.values.dtype);
        let zeros = self.zeros.as_ref().map(|part| part.floats(files)).transpose()?;
        let grid = self.grid.open(files)?;
        for (row, out) in each_row(rows, self.columns, out) {
            let stored = &values[row * self.columns..][..self.columns];
            grid.each_run(row, self.columns, |columns, index| {
                let zero = zeros.map_or(0.0, |zeros| zeros.at(index));
                let scale = scales.at(index);
                for (value, &byte) in out[columns.clone()].iter_mut().zip(&stored[columns]) {
                    *value = (table[usize::from(byte)] - zero) * scale;
                }
            });
        }
        Ok(())
    }
}
