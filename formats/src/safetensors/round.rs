//! f32 to the types that weights are stored in: the one place where values are rounded, to the
//! nearest and in a tie to the even one.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::dtype::Dtype;

/// The values' bytes in a file; `None` for a type that holds no such values here.
pub fn round_to(dtype: Dtype, values: &[f32]) -> Option<Vec<u8>> {
    match dtype {
        Dtype::F32 => Some(bytes(values, |value: &f32| value.to_le_bytes())),
        Dtype::BF16 => {
            let mut half = vec![bf16::ZERO; values.len()];
            half.convert_from_f32_slice(values);
            Some(bytes(&half, |value: &bf16| value.to_le_bytes()))
        }
        Dtype::F16 => {
            let mut half = vec![f16::ZERO; values.len()];
            half.convert_from_f32_slice(values);
            Some(bytes(&half, |value: &f16| value.to_le_bytes()))
        }
        _ => None,
    }
}

/// Little-endian, copied as they lie where the machine is too.
fn bytes<T: bytemuck::NoUninit, const N: usize>(values: &[T], word: fn(&T) -> [u8; N]) -> Vec<u8> {
    if cfg!(target_endian = "little") {
        return bytemuck::cast_slice(values).to_vec();
    }
    values.iter().flat_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_the_nearest_and_ties_go_to_even() {
        // 1 + 2^-8 lies between 1 and 1 + 2^-7; 1 + 3·2^-8 between 1 + 2^-7 and 1 + 2^-6.
        let values = [1.0 + 2.0_f32.powi(-8), 1.0 + 3.0 * 2.0_f32.powi(-8), -0.0];
        let bytes = round_to(Dtype::BF16, &values).unwrap();
        assert_eq!(bytes, [0x80, 0x3f, 0x82, 0x3f, 0x00, 0x80]);
        // Half of the smallest step above 1, and the largest value.
        let values = [1.0 + 2.0_f32.powi(-11), 65504.0, 1e6];
        assert_eq!(round_to(Dtype::F16, &values).unwrap(), [0, 0x3c, 0xff, 0x7b, 0, 0x7c]);
        assert_eq!(round_to(Dtype::F32, &[1.5]).unwrap(), 1.5_f32.to_le_bytes());
        assert_eq!(round_to(Dtype::I8, &[1.5]), None);
    }
}
