//! GPTQ: integers of 2, 3, 4 or 8 bits, packed along the input columns; a scale and a zero point for
//! each group of columns and each row.
//!
//! The matrix lies transposed: word row `w` of `qweight` holds a few input columns of every output.
//! Values are `(integer - zero) · scale`, exact before the one rounding to f32. Sources: `QuantLinear`
//! of AutoGPTQ 0.7.1 (v1: a zero point is stored less one, and added to without wrapping) and of
//! GPTQModel 7.7 (v2).

use std::ops::Range;

use formats::quantization::{Gptq as Settings, GptqVersion};
use formats::{Checkpoint, Dtype};

use super::find::Finder;
use super::part::{Floats, Part, Run, Words, each_row};
use crate::Result;

/// Rows whose words are gathered together: a cache line of them.
const TILE: usize = 16;

/// A weight in GPTQ.
#[derive(Debug)]
pub(super) struct Gptq {
    words: Part,
    zeros: Part,
    scales: Part,
    /// The group of each column, where columns were quantized in another order (`desc_act`).
    g_idx: Option<Part>,
    /// Columns of a group where there is no such list.
    group_size: usize,
    bits: usize,
    version: GptqVersion,
    rows: usize,
    columns: usize,
}

impl Gptq {
    /// Gathers the parts of the weight of `module`.
    pub(super) fn find(
        words: Part,
        module: &str,
        settings: &Settings,
        find: &mut Finder<'_>,
    ) -> Result<Self> {
        let files = find.files();
        let words = words.of_dtype(files, &[Dtype::I32])?;
        let [word_rows, rows] = words.matrix(files)?;
        let g_idx = find.take(module, "g_idx").filter(|list| list.elements() > 0);
        let (bits, columns) = match &g_idx {
            Some(list) => (bits_by_shape(files, &words, list, settings)?, list.elements()),
            None => (settings.bits, word_rows * 32 / settings.bits),
        };
        let packed = (rows * bits).div_ceil(32);
        let (scales, zeros) = find.scales_and_zeros(module, None, [rows, packed])?;
        let groups = scales.shape[0];
        let group_size = match settings.group_size {
            Some(size) if !settings.overrides => size,
            _ => columns.div_ceil(groups.max(1)),
        };
        let version = settings.version;
        let gptq = Self { words, zeros, scales, g_idx, group_size, bits, version, rows, columns };
        gptq.check_groups(files, groups)?;
        Ok(gptq)
    }

    /// Extents of the weight, outermost first.
    pub(super) fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    fn check_groups(&self, files: &Checkpoint, groups: usize) -> Result<()> {
        let Some(list) = &self.g_idx else {
            if self.columns.div_ceil(self.group_size) == groups {
                return Ok(());
            }
            let (size, columns) = (self.group_size, self.columns);
            let problem = format!("has {groups} groups, but {columns} columns of groups of {size}");
            return Err(self.scales.wrong(files, &problem));
        };
        let indices = list.words(files)?;
        let outside = (0..self.columns)
            .map(|column| indices.at(column))
            .find(|&group| !usize::try_from(group).is_ok_and(|group| group < groups));
        match outside {
            None => Ok(()),
            Some(group) => {
                let problem =
                    format!("names group {}, but there are {groups}", group.cast_signed());
                Err(list.wrong(files, &problem))
            }
        }
    }

    /// De-quantizes rows.
    pub(super) fn read(
        &self,
        files: &Checkpoint,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<()> {
        let words = self.words.words(files)?;
        let at_hand = AtHand {
            zeros: self.zeros.words(files)?,
            scales: self.scales.floats(files)?,
            groups: self.groups(files)?,
        };
        let (height, mut codes) = (self.words.shape[0], vec![0; self.columns]);
        let mut start = rows.start;
        for part in out.chunks_mut(TILE * self.columns.max(1)) {
            let tile = start..rows.end.min(start + TILE);
            let packed = words.transposed(height, self.rows, tile.clone());
            for (row, out) in each_row(tile.clone(), self.columns, part) {
                let run = Run { start: (row - tile.start) * height, stride: 1 };
                Words::of(&packed).unpack(run, self.bits, &mut codes);
                self.scale(row, &codes, &at_hand, out);
            }
            start = tile.end;
        }
        Ok(())
    }

    /// `(integer - zero) · scale` for a row.
    fn scale(&self, row: usize, codes: &[u8], at_hand: &AtHand<'_>, out: &mut [f32]) {
        let AtHand { zeros, scales, groups } = at_hand;
        let width = self.zeros.shape[1];
        let of_group = |group: usize| {
            let zero = zeros.field(Run { start: group * width, stride: 1 }, row, self.bits);
            (self.zero_point(zero), scales.at(group * self.rows + row))
        };
        let mut last = (usize::MAX, (0, 0.0));
        for (column, (value, &code)) in out.iter_mut().zip(codes).enumerate() {
            let group = groups.of(column);
            if group != last.0 {
                last = (group, of_group(group));
            }
            let (zero, scale) = last.1;
            *value = (i32::from(code) - zero) as f32 * scale;
        }
    }

    fn zero_point(&self, stored: u32) -> i32 {
        stored.cast_signed() + i32::from(self.version == GptqVersion::V1)
    }

    fn groups<'a>(&'a self, files: &'a Checkpoint) -> Result<Groups<'a>> {
        Ok(match &self.g_idx {
            Some(list) => Groups::Listed(list.words(files)?),
            None => Groups::Even(self.group_size),
        })
    }
}

/// What every row needs.
struct AtHand<'a> {
    zeros: Words<'a>,
    scales: Floats<'a>,
    groups: Groups<'a>,
}

enum Groups<'a> {
    Listed(Words<'a>),
    Even(usize),
}

impl Groups<'_> {
    fn of(&self, column: usize) -> usize {
        match self {
            Self::Listed(list) => list.at(column) as usize,
            Self::Even(size) => column / size,
        }
    }
}

/// The list of groups has one entry a column, so that the words' number tells the bits.
fn bits_by_shape(
    files: &Checkpoint,
    words: &Part,
    list: &Part,
    settings: &Settings,
) -> Result<usize> {
    let list = list.clone().of_dtype(files, &[Dtype::I32])?;
    let (word_rows, columns) = (words.shape[0], list.elements());
    let fits = |&bits: &usize| (columns * bits).div_ceil(32) == word_rows;
    let candidates: &[usize] =
        if settings.overrides { &[2, 3, 4, 8] } else { std::slice::from_ref(&settings.bits) };
    candidates.iter().copied().find(fits).ok_or_else(|| {
        let bits = settings.bits;
        let problem =
            format!("has {word_rows} rows of words, but {columns} columns of {bits} bits");
        words.wrong(files, &problem)
    })
}
