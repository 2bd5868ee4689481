//! compressed-tensors' pack-quantized weights: integers of 1 to 8 bits packed without gaps along each
//! row, stored with half their range added; a scale, and perhaps a zero point, for each group.
//!
//! Values are `(integer - zero) · scale`, exact before the one rounding to f32. Source:
//! `PackedQuantizationCompressor` of compressed-tensors 0.20.

use std::ops::Range;

use formats::quantization::{Strategy, WeightArgs};
use formats::{Checkpoint, Dtype};

use super::find::Finder;
use super::grid::Grid;
use super::part::{FLOATS, Part, Run, Words, each_row};
use crate::Result;

/// A weight in packed integers.
#[derive(Debug)]
pub(super) struct Packed {
    words: Part,
    scales: Part,
    zeros: Zeros,
    grid: Grid,
    bits: usize,
    columns: usize,
}

#[derive(Debug)]
enum Zeros {
    /// Half the range: the integers are symmetric around zero.
    Half,
    /// Packed down the rows, `[ceil(rows · bits / 32), groups]`.
    Packed(Part),
    /// One signed byte for all.
    Byte(Part),
}

impl Packed {
    /// Gathers the parts of the weight of `module`; the second part of the result is its shape.
    pub(super) fn find(
        words: Part,
        module: &str,
        args: &WeightArgs,
        find: &mut Finder<'_>,
    ) -> Result<(Self, [usize; 2])> {
        let files = find.files();
        let shape = find.sibling(module, "weight_shape")?;
        let [rows, columns] = stored_shape(files, &shape)?;
        let bits = args.num_bits;
        let words = words.of_dtype(files, &[Dtype::I32])?;
        let width = columns.checked_mul(bits).map(|bits| bits.div_ceil(32));
        if width.is_none_or(|width| words.shape != [rows, width]) {
            let problem = format!(
                "has shape {:?}, which does not hold [{rows}, {columns}] values of {bits} bits",
                words.shape
            );
            return Err(words.wrong(files, &problem));
        }
        let scales = find.sibling(module, "weight_scale")?.of_dtype(files, &FLOATS)?;
        let grid = Grid::new(files, &scales, [rows, columns], extents(args.strategy, columns))?;
        let grid = grid.listed(files, find.take(module, "weight_g_idx"), columns)?;
        let zeros = if args.symmetric {
            find.forget(module, "weight_zero_point");
            Zeros::Half
        } else {
            let stored = find.sibling(module, "weight_zero_point")?;
            zero_points(files, stored, args, [rows, grid.width()])?
        };
        Ok((Self { words, scales, zeros, grid, bits, columns }, [rows, columns]))
    }

    /// De-quantizes rows.
    pub(super) fn read(
        &self,
        files: &Checkpoint,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<()> {
        let (words, scales) = (self.words.words(files)?, self.scales.floats(files)?);
        let (grid, zeros) = (self.grid.open(files)?, self.zeros.open(files)?);
        let width = self.words.shape[1];
        let mut codes = vec![0; self.columns];
        for (row, out) in each_row(rows, self.columns, out) {
            let run = Run { start: row * width, stride: 1 };
            words.unpack(run, self.bits, &mut codes);
            grid.each_run(row, self.columns, |columns, index| {
                let zero = self.zero_point(&zeros, row, index % self.grid.width());
                let scale = scales.at(index);
                for (value, &code) in out[columns.clone()].iter_mut().zip(&codes[columns]) {
                    *value = (i32::from(code) - zero) as f32 * scale;
                }
            });
        }
        Ok(())
    }

    /// The stored integer that means zero.
    fn zero_point(&self, zeros: &OpenZeros<'_>, row: usize, group: usize) -> i32 {
        let half = 1 << (self.bits - 1);
        match zeros {
            OpenZeros::Half => half,
            OpenZeros::Packed(words) => {
                let run = Run { start: group, stride: self.grid.width() };
                words.field(run, row, self.bits).cast_signed()
            }
            OpenZeros::Byte(zero) => half + i32::from(*zero),
        }
    }
}

impl Zeros {
    fn open<'a>(&self, files: &'a Checkpoint) -> Result<OpenZeros<'a>> {
        Ok(match self {
            Self::Half => OpenZeros::Half,
            Self::Packed(part) => OpenZeros::Packed(part.words(files)?),
            Self::Byte(part) => OpenZeros::Byte(part.bytes(files)?[0].cast_signed()),
        })
    }
}

/// Zero points at hand.
enum OpenZeros<'a> {
    Half,
    Packed(Words<'a>),
    Byte(i8),
}

/// Rows and columns that share a scale.
pub(super) fn extents(strategy: Strategy, columns: usize) -> [usize; 2] {
    match strategy {
        Strategy::Tensor => [usize::MAX, usize::MAX],
        Strategy::Channel => [1, columns],
        Strategy::Group(size) => [1, size],
        Strategy::Block(block) => block,
    }
}

fn zero_points(
    files: &Checkpoint,
    stored: Part,
    args: &WeightArgs,
    [rows, groups]: [usize; 2],
) -> Result<Zeros> {
    if matches!(args.strategy, Strategy::Tensor | Strategy::Block(_)) {
        let one = stored.of_dtype(files, &[Dtype::I8])?;
        if one.elements() != 1 {
            let problem = format!("has shape {:?}, expected one value", one.shape);
            return Err(one.wrong(files, &problem));
        }
        return Ok(Zeros::Byte(one));
    }
    let packed = (rows * args.num_bits).div_ceil(32);
    let stored = stored.of_dtype(files, &[Dtype::I32])?.of_shape(files, &[packed, groups])?;
    Ok(Zeros::Packed(stored))
}

/// `weight_shape`: the extents before packing, as numbers in a tensor.
fn stored_shape(files: &Checkpoint, part: &Part) -> Result<[usize; 2]> {
    let part = part.clone().of_dtype(files, &[Dtype::I64, Dtype::I32])?.of_shape(files, &[2])?;
    let bytes = part.bytes(files)?;
    let numbers: Vec<i64> = match part.dtype {
        Dtype::I64 => bytes.as_chunks().0.iter().map(|&word| i64::from_le_bytes(word)).collect(),
        _ => bytes.as_chunks().0.iter().map(|&w| i64::from(i32::from_le_bytes(w))).collect(),
    };
    let extents: Vec<usize> = numbers.iter().filter_map(|&n| usize::try_from(n).ok()).collect();
    extents.try_into().map_err(|_| {
        part.wrong(files, &format!("says {numbers:?}, expected two extents of at least 0"))
    })
}
