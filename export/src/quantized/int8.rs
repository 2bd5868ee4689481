//! bitsandbytes' LLM.int8: a byte a value, a scale a row that the largest magnitude, 127, stands for.
//!
//! Values are `(byte · scale) · (1/127)` in f32, in this order. Source: `int8_vectorwise_dequant` of
//! bitsandbytes 0.50.

use std::ops::Range;

use formats::{Checkpoint, Dtype};

use super::find::Finder;
use super::part::{Part, each_row};
use crate::Result;

/// bitsandbytes' own constant, 7.874015718698502e-3, in f32.
const ONE_127TH: f32 = 1.0 / 127.0;
/// `weight_format` of rows one after another, the only layout still written.
const ROW_MAJOR: u8 = 0;

/// A weight in LLM.int8.
#[derive(Debug)]
pub(super) struct Int8 {
    bytes: Part,
    scales: Part,
    columns: usize,
}

impl Int8 {
    /// Gathers the parts of the weight of `module`.
    pub(super) fn find(weight: Part, module: &str, find: &mut Finder<'_>) -> Result<Self> {
        let files = find.files();
        let [rows, columns] = weight.matrix(files)?;
        let scales = find.sibling(module, "SCB")?;
        let scales = scales.of_dtype(files, &[Dtype::F32])?.of_shape(files, &[rows])?;
        if let Some(format) = find.take(module, "weight_format") {
            let format = format.of_dtype(files, &[Dtype::U8])?;
            if format.bytes(files)? != [ROW_MAJOR] {
                let problem = "names a layout other than row by row, which only old versions of \
                               bitsandbytes read; load and save the model with a current one";
                return Err(format.wrong(files, problem));
            }
        }
        Ok(Self { bytes: weight, scales, columns })
    }

    /// De-quantizes rows.
    pub(super) fn read(
        &self,
        files: &Checkpoint,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<()> {
        let (bytes, scales) = (self.bytes.bytes(files)?, self.scales.floats(files)?);
        for (row, out) in each_row(rows, self.columns, out) {
            let scale = scales.at(row);
            let stored = &bytes[row * self.columns..][..self.columns];
            for (value, byte) in out.iter_mut().zip(stored) {
                *value = f32::from(byte.cast_signed()) * scale * ONE_127TH;
            }
        }
        Ok(())
    }
}
