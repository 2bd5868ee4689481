//! One tensor inside a mapped file, and its values as numbers. No shapes are changed, nothing is
//! rounded: every conversion offered here is exact.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::dtype::Dtype;
use crate::{Error, Result};

/// A tensor's bytes in their file. `bytes` is row-major and little-endian.
#[derive(Clone, Copy)]
pub struct TensorView<'a> {
    /// The tensor's full name.
    pub name: &'a str,
    /// Element type.
    pub dtype: Dtype,
    /// Extents, outermost first.
    pub shape: &'a [usize],
    /// The values' bytes.
    pub bytes: &'a [u8],
    /// The file, for messages.
    pub path: &'a Path,
}

impl<'a> TensorView<'a> {
    /// How many values the tensor holds.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The values as f32. Exact from F32, F16 and BF16.
    ///
    /// # Errors
    /// [`Error::WrongDtype`] for any other type.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        match self.dtype {
            Dtype::F32 => Ok(self.words(f32::from_le_bytes).into_owned()),
            Dtype::F16 => Ok(self.words(f16::from_le_bytes).to_f32_vec()),
            Dtype::BF16 => Ok(self.words(bf16::from_le_bytes).to_f32_vec()),
            _ => Err(self.wrong_dtype()),
        }
    }

    /// The values as f32, written to a slice that holds exactly as many.
    ///
    /// # Errors
    /// [`Error::WrongDtype`] for other types than F32, F16 and BF16; [`Error::Malformed`] if `out` has
    /// another length.
    pub fn read_f32(&self, out: &mut [f32]) -> Result<()> {
        if out.len() != self.elements() {
            let (name, has, wanted) = (self.name, self.elements(), out.len());
            let problem = format!("tensor `{name}` holds {has} values but {wanted} were expected");
            return Err(Error::malformed(self.path, problem));
        }
        match self.dtype {
            Dtype::F32 => out.copy_from_slice(&self.words(f32::from_le_bytes)),
            Dtype::F16 => self.words(f16::from_le_bytes).convert_to_f32_slice(out),
            Dtype::BF16 => self.words(bf16::from_le_bytes).convert_to_f32_slice(out),
            _ => return Err(self.wrong_dtype()),
        }
        Ok(())
    }

    /// Some rows of the tensor as f32, a row being the last extent; written to a slice that holds
    /// exactly as many values.
    ///
    /// # Errors
    /// As [`Self::read_f32`].
    ///
    /// # Panics
    /// If the rows lie outside the tensor.
    pub fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let columns = self.shape.last().copied().unwrap_or(1);
        let row_bytes = columns * self.dtype.bits() / 8;
        let bytes = &self.bytes[rows.start * row_bytes..rows.end * row_bytes];
        TensorView { shape: &[rows.len(), columns], bytes, ..*self }.read_f32(out)
    }

    /// The values themselves if they are stored as BF16, without a copy where the file is aligned;
    /// `None` for every other type, since those would have to be rounded.
    pub fn as_bf16(&self) -> Option<Cow<'a, [bf16]>> {
        (self.dtype == Dtype::BF16).then(|| self.words(bf16::from_le_bytes))
    }

    /// The values themselves if they are stored as F32, without a copy where the file is aligned.
    pub fn as_f32(&self) -> Option<Cow<'a, [f32]>> {
        (self.dtype == Dtype::F32).then(|| self.words(f32::from_le_bytes))
    }

    /// Whether both hold the same values, whatever floats they are stored as.
    ///
    /// # Errors
    /// [`Error::WrongDtype`] if the types differ and one is none of F32, F16 and BF16.
    pub fn same_values(&self, other: &TensorView) -> Result<bool> {
        if self.dtype == other.dtype {
            return Ok(self.bytes == other.bytes);
        }
        Ok(self.to_f32()? == other.to_f32()?)
    }

    /// [`Error::WrongShape`] unless the shape is `expected`.
    ///
    /// # Errors
    /// See above.
    pub fn expect_shape(self, expected: &[usize]) -> Result<Self> {
        if self.shape == expected {
            return Ok(self);
        }
        Err(Error::WrongShape {
            path: self.path.to_owned(),
            name: self.name.to_owned(),
            expected: expected.to_owned(),
            found: self.shape.to_owned(),
        })
    }

    /// The bytes as words of `N` bytes: borrowed where the machine and the alignment allow it.
    fn words<T: bytemuck::Pod, const N: usize>(&self, read: fn([u8; N]) -> T) -> Cow<'a, [T]> {
        if cfg!(target_endian = "little")
            && let Ok(words) = bytemuck::try_cast_slice(self.bytes)
        {
            return Cow::Borrowed(words);
        }
        Cow::Owned(self.bytes.as_chunks::<N>().0.iter().map(|&word| read(word)).collect())
    }

    fn wrong_dtype(&self) -> Error {
        Error::WrongDtype {
            path: self.path.to_owned(),
            name: self.name.to_owned(),
            found: self.dtype,
        }
    }
}
