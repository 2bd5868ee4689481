//! A stored tensor that a quantized weight is made of, found and checked when the folder is opened.

use std::ops::Range;

use formats::{Checkpoint, Dtype, TensorView};
use half::{bf16, f16};

use super::float8;
use crate::{Error, Result};

/// A tensor by name, with the type and shape it was found to have.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
}

impl Part {
    /// Remembers a tensor of the folder.
    pub(super) fn of(view: &TensorView<'_>) -> Self {
        Self { name: view.name.to_owned(), dtype: view.dtype, shape: view.shape.to_vec() }
    }

    /// Its bytes.
    pub(super) fn bytes<'a>(&self, files: &'a Checkpoint) -> Result<&'a [u8]> {
        Ok(files.require(&self.name, &self.shape)?.bytes)
    }

    /// Values in all. The file that holds them bounds their number.
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its values as numbers, read where they lie.
    pub(super) fn floats<'a>(&self, files: &'a Checkpoint) -> Result<Floats<'a>> {
        Ok(Floats { dtype: self.dtype, bytes: self.bytes(files)? })
    }

    /// Its 32-bit words, read where they lie.
    pub(super) fn words<'a>(&self, files: &'a Checkpoint) -> Result<Words<'a>> {
        Ok(Words(self.bytes(files)?.as_chunks().0))
    }

    /// Refuses another type than `expected`.
    pub(super) fn of_dtype(self, files: &Checkpoint, expected: &[Dtype]) -> Result<Self> {
        if expected.contains(&self.dtype) {
            return Ok(self);
        }
        let names: Vec<&str> = expected.iter().map(|dtype| dtype.name()).collect();
        let problem = format!("is stored as {}, expected {}", self.dtype, names.join(" or "));
        Err(self.wrong(files, &problem))
    }

    /// Refuses another shape than `expected`.
    pub(super) fn of_shape(self, files: &Checkpoint, expected: &[usize]) -> Result<Self> {
        if self.shape == expected {
            return Ok(self);
        }
        let problem = format!("has shape {:?}, expected {expected:?}", self.shape);
        Err(self.wrong(files, &problem))
    }

    /// Its two extents; refuses any other number of them.
    pub(super) fn matrix(&self, files: &Checkpoint) -> Result<[usize; 2]> {
        self.shape.as_slice().try_into().map_err(|_| {
            let problem = format!("has shape {:?}, expected two extents", self.shape);
            self.wrong(files, &problem)
        })
    }

    /// A sentence about this tensor.
    pub(super) fn wrong(&self, files: &Checkpoint, problem: &str) -> Error {
        let advice = "the weights contradict their quantization_config or are incomplete: fetch \
                      the model again";
        Error::refused(files.dir(), format!("tensor `{}` {problem}; {advice}", self.name))
    }
}

/// The types a scale may have.
pub(super) const FLOATS: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::BF16];

/// Numbers in a file.
#[derive(Clone, Copy)]
pub(super) struct Floats<'a> {
    dtype: Dtype,
    bytes: &'a [u8],
}

impl Floats<'_> {
    /// One value as f32, exactly.
    ///
    /// # Panics
    /// If there is none at `index`.
    pub(super) fn at(&self, index: usize) -> f32 {
        let two = |bytes: &[u8]| [bytes[2 * index], bytes[2 * index + 1]];
        match self.dtype {
            Dtype::F16 => f16::from_le_bytes(two(self.bytes)).to_f32(),
            Dtype::BF16 => bf16::from_le_bytes(two(self.bytes)).to_f32(),
            Dtype::F32 => f32::from_le_bytes(self.bytes.as_chunks().0[index]),
            Dtype::I8 => f32::from(self.bytes[index].cast_signed()),
            Dtype::F8_E4M3 => float8::e4m3(self.bytes[index]),
            Dtype::F8_E5M2 => float8::e5m2(self.bytes[index]),
            Dtype::F8_E8M0 | Dtype::U8 => float8::e8m0(self.bytes[index]),
            // `of_dtype` has refused the rest.
            _ => f32::NAN,
        }
    }
}

/// What each byte stands for in a type of one byte a value.
pub(super) fn byte_table(dtype: Dtype) -> [f32; 256] {
    let bytes: [u8; 256] = std::array::from_fn(|byte| byte.to_le_bytes()[0]);
    bytes.map(|byte| Floats { dtype, bytes: &[byte] }.at(0))
}

/// 32-bit words in a file.
#[derive(Clone, Copy)]
pub(super) struct Words<'a>(&'a [[u8; 4]]);

impl<'a> Words<'a> {
    /// Words in memory.
    pub(super) fn of(words: &'a [[u8; 4]]) -> Self {
        Self(words)
    }

    /// `columns` of a matrix `[height, width]` of words, one column after another.
    pub(super) fn transposed(
        &self,
        height: usize,
        width: usize,
        columns: Range<usize>,
    ) -> Vec<[u8; 4]> {
        let mut turned = vec![[0; 4]; height * columns.len()];
        for row in 0..height {
            let words = &self.0[row * width..][columns.clone()];
            for (turned, &word) in turned[row..].iter_mut().step_by(height).zip(words) {
                *turned = word;
            }
        }
        turned
    }

    /// One word.
    ///
    /// # Panics
    /// If there is none at `index`.
    pub(super) fn at(&self, index: usize) -> u32 {
        u32::from_le_bytes(self.0[index])
    }

    /// The first fields of `bits` bits, 8 at most, in a dense run of words; see [`Self::field`].
    pub(super) fn unpack(&self, run: Run, bits: usize, out: &mut [u8]) {
        let low = |value: u32| value.to_le_bytes()[0];
        if 32 % bits != 0 {
            for (index, code) in out.iter_mut().enumerate() {
                *code = low(self.field(run, index, bits));
            }
            return;
        }
        let mask = low((1 << bits) - 1);
        for (word, codes) in out.chunks_mut(32 / bits).enumerate() {
            let mut value = self.at(run.start + word * run.stride);
            for code in codes {
                *code = low(value) & mask;
                value = value.checked_shr(bits as u32).unwrap_or(0);
            }
        }
    }

    /// Field `index` of `bits` bits in a dense run of words, low bits first; word `w` of the run lies
    /// at `start + w * stride`. A field may straddle two words.
    pub(super) fn field(&self, run: Run, index: usize, bits: usize) -> u32 {
        let bit = index * bits;
        let (word, shift) = (bit / 32, bit % 32);
        let mut value = self.at(run.start + word * run.stride) >> shift;
        if shift + bits > 32 {
            value |= self.at(run.start + (word + 1) * run.stride) << (32 - shift);
        }
        value & ((1 << bits) - 1)
    }
}

/// Words that belong together.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) stride: usize,
}

/// The rows of `out`, `[rows.len(), columns]`, each with its number.
pub(super) fn each_row(
    rows: Range<usize>,
    columns: usize,
    out: &mut [f32],
) -> impl Iterator<Item = (usize, &mut [f32])> {
    rows.zip(out.chunks_exact_mut(columns.max(1)))
}
