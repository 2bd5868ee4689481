//! Tensors of an adapter's file as numbers: proven finite, packed for the kernels as bf16 where bf16
//! holds every value exactly, else as f32.

use super::{Precision, Problem, Result};
use formats::TensorView;
use half::bf16;
use half::slice::HalfFloatSliceExt;
use kernels::PackedMatrix;
use std::borrow::Cow;
use std::path::Path;

/// A tensor's values, as narrow as they can be without loss.
pub(super) enum Values<'a> {
    Bf16(Cow<'a, [bf16]>),
    F32(Cow<'a, [f32]>),
}

impl<'a> Values<'a> {
    /// Reads a tensor of the adapter in `dir`, exactly.
    ///
    /// # Errors
    /// A type that is no float, or a value that is not finite.
    pub(super) fn read(view: &TensorView<'a>, dir: &Path) -> Result<Self> {
        let values = match view.as_bf16() {
            Some(values) => Values::Bf16(values),
            None => narrow(view.as_f32().map_or_else(|| view.to_f32().map(Cow::Owned), Ok)?),
        };
        let not_finite = match &values {
            Values::Bf16(v) => v.iter().position(|v| !v.is_finite()).map(|i| (i, v[i].to_f32())),
            Values::F32(v) => v.iter().position(|v| !v.is_finite()).map(|i| (i, v[i])),
        };
        match not_finite {
            None => Ok(values),
            Some((index, value)) => {
                let tensor = view.name.to_owned();
                Err(Problem::NotFinite { tensor, value, index }.of(dir).into())
            }
        }
    }

    /// The values in the precision asked for.
    pub(super) fn held_as(self, precision: Precision) -> Self {
        match (precision, self) {
            (Precision::Bf16, Values::F32(values)) => Values::Bf16(Cow::Owned(rounded(&values))),
            (_, values) => values,
        }
    }

    /// Whether every value is zero.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Values::Bf16(values) => values.iter().all(|v| *v == bf16::ZERO),
            Values::F32(values) => values.iter().all(|v| *v == 0.0),
        }
    }

    /// The values as f32.
    pub(super) fn to_f32(&self) -> Cow<'_, [f32]> {
        match self {
            Values::Bf16(values) => Cow::Owned(values.to_f32_vec()),
            Values::F32(values) => Cow::Borrowed(values),
        }
    }

    /// As a matrix `[n, k]` for the kernels.
    pub(super) fn pack(&self, n: usize, k: usize) -> PackedMatrix {
        match self {
            Values::Bf16(values) => PackedMatrix::pack_bf16(values, n, k),
            Values::F32(values) => PackedMatrix::pack_f32(values, n, k),
        }
    }
}

/// To bf16 if that changes no value.
fn narrow(values: Cow<[f32]>) -> Values {
    if values.iter().all(|v| v.to_bits() & 0xffff == 0) {
        return Values::Bf16(Cow::Owned(rounded(&values)));
    }
    Values::F32(values)
}

fn rounded(values: &[f32]) -> Vec<bf16> {
    let mut narrow = vec![bf16::ZERO; values.len()];
    narrow.convert_from_f32_slice(values);
    narrow
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::Dtype;

    fn view<'a>(dtype: Dtype, shape: &'a [usize], bytes: &'a [u8]) -> TensorView<'a> {
        TensorView { name: "t", dtype, shape, bytes, path: Path::new("file") }
    }

    fn f32_bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn f32_values_narrow_only_when_bf16_holds_them_all() {
        // The last one is subnormal in f32 and in bf16.
        let exact = [1.5, -0.0, -2.0, f32::from_bits(0x0001_0000)];
        let bytes = f32_bytes(&exact);
        let values = Values::read(&view(Dtype::F32, &[2, 2], &bytes), Path::new("")).unwrap();
        assert!(matches!(values, Values::Bf16(_)));
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values.to_f32()), bits(&exact));

        let bytes = f32_bytes(&[1.5, 0.1]);
        let values = Values::read(&view(Dtype::F32, &[1, 2], &bytes), Path::new("")).unwrap();
        assert!(matches!(values, Values::F32(_)));
        assert_eq!(values.to_f32().as_ref(), &[1.5, 0.1]);
    }

    #[test]
    fn held_as_bf16_values_are_rounded_to_the_nearest() {
        let bytes = f32_bytes(&[1.5, 0.1]);
        let values = Values::read(&view(Dtype::F32, &[1, 2], &bytes), Path::new("")).unwrap();
        let values = values.held_as(Precision::Bf16);
        assert!(matches!(values, Values::Bf16(_)));
        assert_eq!(values.to_f32().as_ref(), &[1.5, 0.100_097_656]);
    }

    #[test]
    fn a_value_that_is_not_finite_is_named_with_its_place() {
        let bytes = [0x80, 0x3f, 0x80, 0x7f]; // 1 and infinity
        let error = Values::read(&view(Dtype::BF16, &[2], &bytes), Path::new("a")).err().unwrap();
        assert_eq!(
            error.to_string(),
            "a: tensor `t` holds inf at index 1; the training run diverged"
        );
    }
}
