//! AWQ's gemm layout: 4-bit integers packed along the outputs, eight a word in an order of their own;
//! a scale and a zero point for each group of input columns and each row.
//!
//! The matrix lies transposed: row `i` of `qweight` holds input column `i` of every output. Values are
//! `(integer - zero) · scale`, exact before the one rounding to f32. Source: `dequantize_gemm` of
//! AutoAWQ 0.2.9.

use std::ops::Range;

use formats::quantization::Awq as Settings;
use formats::{Checkpoint, Dtype};

use super::find::Finder;
use super::part::{Part, each_row};
use crate::Result;

/// Rows in a word.
const PACKED: usize = 8;
/// Where in its word the bits of each of eight rows begin.
const SHIFTS: [u32; PACKED] = [0, 16, 4, 20, 8, 24, 12, 28];

/// A weight in AWQ.
#[derive(Debug)]
pub(super) struct Awq {
    words: Part,
    zeros: Part,
    scales: Part,
    group_size: usize,
    rows: usize,
    columns: usize,
}

impl Awq {
    /// Gathers the parts of the weight of `module`.
    pub(super) fn find(
        words: Part,
        module: &str,
        settings: &Settings,
        find: &mut Finder<'_>,
    ) -> Result<Self> {
        let files = find.files();
        let words = words.of_dtype(files, &[Dtype::I32])?;
        let [columns, width] = words.matrix(files)?;
        let rows = width * PACKED;
        let group_size = settings.group_size.unwrap_or(columns).max(1);
        let groups = columns.div_ceil(group_size);
        let (scales, zeros) = find.scales_and_zeros(module, Some(groups), [rows, width])?;
        Ok(Self { words, zeros, scales, group_size, rows, columns })
    }

    /// Extents of the weight, outermost first.
    pub(super) fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// De-quantizes rows.
    pub(super) fn read(
        &self,
        files: &Checkpoint,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<()> {
        let (words, zeros) = (self.words.words(files)?, self.zeros.words(files)?);
        let scales = self.scales.floats(files)?;
        let width = self.rows / PACKED;
        let (mut at, mut rest) = (rows.start, out);
        while at < rows.end {
            // Rows whose bits lie in the same words, so that each word is read once.
            let end = rows.end.min((at / PACKED + 1) * PACKED);
            let (part, after) = rest.split_at_mut((end - at) * self.columns);
            let word = at / PACKED;
            let packed = words.transposed(self.columns, width, word..word + 1);
            for (row, out) in each_row(at..end, self.columns, part) {
                let shift = SHIFTS[row % PACKED];
                let groups = out.chunks_mut(self.group_size).zip(packed.chunks(self.group_size));
                for (group, (values, packed)) in groups.enumerate() {
                    let zero = zeros.at(group * width + word);
                    let scale = scales.at(group * self.rows + row);
                    spread(packed, shift, (zero, scale), values);
                }
            }
            (at, rest) = (end, after);
        }
        Ok(())
    }
}

/// The four bits at `shift` of each word, less those of `zero`, times `scale`.
fn spread(words: &[[u8; 4]], shift: u32, (zero, scale): (u32, f32), out: &mut [f32]) {
    let code = |word: u32| ((word >> shift) & 0xF).cast_signed();
    for (value, &word) in out.iter_mut().zip(words) {
        *value = (code(u32::from_le_bytes(word)) - code(zero)) as f32 * scale;
    }
}
