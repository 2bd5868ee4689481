//! bitsandbytes' NF4 and FP4: two codes a byte, a scale for each block of consecutive values, the
//! scales themselves perhaps quantized to bytes ("double quantization").
//!
//! Values are `code · scale` in f32, as bitsandbytes computes them before it rounds to the type the
//! weight once had. Source: `dequantize_4bit` and `dequantize_blockwise` of bitsandbytes 0.50.

use std::ops::Range;

use formats::quantization::{FourBitType, Nested, QuantState};
use formats::{Checkpoint, Dtype};

use super::find::Finder;
use super::part::{Floats, Part};
use crate::Result;

/// Entries of the table that quantized scales index.
const NESTED_CODES: usize = 256;
/// How far a stored code table may lie from the one that bitsandbytes uses: its values are 0.005
/// apart at the least.
const TABLE_TOLERANCE: f32 = 1e-4;

const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// Sixths and twelfths: the formats's 0.0625, 8, 12, 4, 6, 2, 3 over their largest.
const FP4: [f32; 16] = [
    0.0,
    0.0625 / 12.0,
    8.0 / 12.0,
    1.0,
    4.0 / 12.0,
    0.5,
    2.0 / 12.0,
    0.25,
    0.0,
    -0.0625 / 12.0,
    -8.0 / 12.0,
    -1.0,
    -4.0 / 12.0,
    -0.5,
    -2.0 / 12.0,
    -0.25,
];

/// A weight in NF4 or FP4.
#[derive(Debug)]
pub(super) struct FourBit {
    codes: Part,
    table: &'static [f32; 16],
    blocksize: usize,
    scales: Scales,
}

#[derive(Debug)]
enum Scales {
    Plain(Part),
    Nested { codes: Part, table: Part, scales: Part, nested: Nested },
}

impl FourBit {
    /// Gathers the parts of `weight` from the folder; its state says the shape.
    pub(super) fn find(weight: Part, find: &mut Finder<'_>) -> Result<(Self, QuantState)> {
        let files = find.files();
        let (kind, state_part) = find.quant_state(&weight)?;
        let bytes = state_part.bytes(files)?;
        let state = QuantState::parse(bytes, files.dir(), &state_part.name)?;
        if state.quant_type != kind {
            let problem = format!("says {}, which its name contradicts", state.quant_type.name());
            return Err(state_part.wrong(files, &problem));
        }
        let elements = elements(&state.shape)
            .filter(|elements| elements.div_ceil(2) == bytes_of(&weight))
            .ok_or_else(|| {
                let problem =
                    format!("says shape {:?}, which does not fit the weight", state.shape);
                state_part.wrong(files, &problem)
            })?;
        let table = if kind == FourBitType::Nf4 { &NF4 } else { &FP4 };
        check_table(find, &weight, table)?;
        let blocks = elements.div_ceil(state.blocksize);
        let scales = Scales::find(&weight, blocks, state.nested.clone(), find)?;
        Ok((Self { codes: weight, table, blocksize: state.blocksize, scales }, state))
    }

    /// De-quantizes the values at `range` of the flat, row-major weight.
    pub(super) fn read(
        &self,
        files: &Checkpoint,
        range: Range<usize>,
        out: &mut [f32],
    ) -> Result<()> {
        let codes = self.codes.bytes(files)?;
        let scales = self.scales.open(files)?;
        let (mut at, mut rest) = (range.start, out);
        while !rest.is_empty() {
            let block = at / self.blocksize;
            let length = ((block + 1) * self.blocksize - at).min(rest.len());
            let (values, after) = rest.split_at_mut(length);
            let scale = scales.at(block);
            for (value, index) in values.iter_mut().zip(at..) {
                let pair = codes[index / 2];
                let code = if index % 2 == 0 { pair >> 4 } else { pair & 0xF };
                *value = self.table[usize::from(code)] * scale;
            }
            (at, rest) = (at + length, after);
        }
        Ok(())
    }
}

impl Scales {
    fn find(
        weight: &Part,
        blocks: usize,
        nested: Option<Nested>,
        find: &mut Finder<'_>,
    ) -> Result<Self> {
        let files = find.files();
        let absmax = find.sibling(&weight.name, "absmax")?.of_shape(files, &[blocks])?;
        let Some(nested) = nested else {
            return Ok(Self::Plain(absmax.of_dtype(files, &[Dtype::F32])?));
        };
        let floats =
            |part: Part, length| part.of_dtype(files, &[Dtype::F32])?.of_shape(files, &[length]);
        let table = floats(find.sibling(&weight.name, "nested_quant_map")?, NESTED_CODES)?;
        let outer = blocks.div_ceil(nested.blocksize);
        let scales = floats(find.sibling(&weight.name, "nested_absmax")?, outer)?;
        let codes = absmax.of_dtype(files, &[Dtype::U8])?;
        Ok(Self::Nested { codes, table, scales, nested })
    }

    fn open<'a>(&'a self, files: &'a Checkpoint) -> Result<OpenScales<'a>> {
        Ok(match self {
            Self::Plain(scales) => OpenScales::Plain(scales.floats(files)?),
            Self::Nested { codes, table, scales, nested } => OpenScales::Nested {
                codes: codes.bytes(files)?,
                table: table.floats(files)?,
                scales: scales.floats(files)?,
                nested,
            },
        })
    }
}

enum OpenScales<'a> {
    Plain(Floats<'a>),
    Nested { codes: &'a [u8], table: Floats<'a>, scales: Floats<'a>, nested: &'a Nested },
}

impl OpenScales<'_> {
    fn at(&self, block: usize) -> f32 {
        match self {
            Self::Plain(scales) => scales.at(block),
            Self::Nested { codes, table, scales, nested } => {
                let code = table.at(usize::from(codes[block]));
                code * scales.at(block / nested.blocksize) + nested.offset
            }
        }
    }
}

/// bitsandbytes goes by the type's name and never looks at the stored table; a table that says
/// something else belongs to another method.
fn check_table(find: &mut Finder<'_>, weight: &Part, table: &[f32; 16]) -> Result<()> {
    let files = find.files();
    let stored = find.sibling(&weight.name, "quant_map")?;
    let stored = stored.of_dtype(files, &[Dtype::F32])?.of_shape(files, &[table.len()])?;
    let floats = stored.floats(files)?;
    let near = |(at, value): (usize, &f32)| (floats.at(at) - value).abs() < TABLE_TOLERANCE;
    if table.iter().enumerate().all(near) {
        return Ok(());
    }
    Err(stored.wrong(files, "holds other values than the code that its weight names"))
}

/// The product of the extents; `None` where it overflows.
fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent))
}

fn bytes_of(part: &Part) -> usize {
    part.elements() * part.dtype.bits() / 8
}
