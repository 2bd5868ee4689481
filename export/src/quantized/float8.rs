//! Eight-bit floats to f32, exactly. Sources: OCP's 8-bit floating point and microscaling formats.

use half::f16;

/// Four exponent bits of bias 7, three of mantissa, no infinity; all ones is not a number.
pub(super) fn e4m3(byte: u8) -> f32 {
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = ((byte >> 3) & 0xF, byte & 7);
    let magnitude = match (exponent, mantissa) {
        (0xF, 7) => f32::NAN,
        (0, _) => f32::from(mantissa) / 512.0,
        _ => f32::from(8 + mantissa) / 1024.0 * power_of_two(i32::from(exponent)),
    };
    sign * magnitude
}

/// Five exponent bits and two of mantissa: the upper half of an f16.
pub(super) fn e5m2(byte: u8) -> f32 {
    f16::from_bits(u16::from(byte) << 8).to_f32()
}

/// A power of two, 2^(byte - 127); all ones is not a number.
pub(super) fn e8m0(byte: u8) -> f32 {
    if byte == 0xFF { f32::NAN } else { power_of_two(i32::from(byte) - 127) }
}

fn power_of_two(exponent: i32) -> f32 {
    2.0_f32.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landmarks_of_the_formats_are_met() {
        assert_eq!((e4m3(0x7E), e4m3(0x01), e4m3(0x38)), (448.0, 2.0_f32.powi(-9), 1.0));
        assert_eq!((e4m3(0xB8), e4m3(0x08), e4m3(0x80)), (-1.0, 2.0_f32.powi(-6), -0.0));
        assert!(e4m3(0x7F).is_nan() && e4m3(0xFF).is_nan());
        assert_eq!((e5m2(0x7B), e5m2(0x3C), e5m2(0x7C)), (57344.0, 1.0, f32::INFINITY));
        assert_eq!((e8m0(127), e8m0(0), e8m0(254)), (1.0, 2.0_f32.powi(-127), 2.0_f32.powi(127)));
        assert!(e8m0(0xFF).is_nan());
    }
}
