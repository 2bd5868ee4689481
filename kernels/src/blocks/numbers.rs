//! Half precision and rounding, one number at a time, as the peers' files hold them.

/// The nearest `f16`, ties to even; a NaN becomes the quiet NaN of its sign.
#[inline(always)]
pub(super) fn to_f16(x: f32) -> u16 {
    let sign = ((x.to_bits() >> 16) & 0x8000) as u16;
    let magnitude = x.to_bits() & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    // Beyond 65520 the rounded exponent runs into f16's infinity by itself; past that, infinity.
    let rounded = if magnitude >= 0x4780_0000 {
        0x7c00
    } else if magnitude >= 0x3880_0000 {
        (magnitude - 0x3800_0000 + 0x0fff + ((magnitude >> 13) & 1)) >> 13
    } else {
        // Subnormal: the sum's lowest bits count steps of 2^-24, rounded by the addition itself.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()
    };
    sign | rounded as u16
}

/// The value of an `f16`.
#[inline(always)]
pub(super) fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    let value = match magnitude {
        0..0x0400 => (magnitude as f32 * f32::from_bits(0x3380_0000)).to_bits(),
        0x0400..0x7c00 => (magnitude << 13) + 0x3800_0000,
        0x7c00 => 0x7f80_0000,
        _ => (magnitude << 13) | 0x7fc0_0000,
    };
    f32::from_bits(sign | value)
}

/// The nearest `bf16`, ties to even; a NaN keeps its upper bits and is made quiet.
#[inline(always)]
pub(super) fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// [`Simd::nearest`](crate::simd::Simd::nearest) of one number, as an integer.
#[inline(always)]
pub(super) fn nearest(x: f32) -> i32 {
    let bits = (x + 12_582_912.0).to_bits() & 0x007f_ffff;
    bits.cast_signed() - 0x0040_0000
}

/// Reads the `f16` at `bytes[at..]`.
#[inline(always)]
pub(super) fn read_f16(bytes: &[u8], at: usize) -> f32 {
    from_f16(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// Writes `x` as an `f16` to `bytes[at..]` and returns the value written.
#[inline(always)]
pub(super) fn write_f16(bytes: &mut [u8], at: usize, x: f32) -> f32 {
    let half = to_f16(x);
    bytes[at..at + 2].copy_from_slice(&half.to_le_bytes());
    from_f16(half)
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    #[test]
    fn f16_is_that_of_the_half_crate() {
        for bits in 0..=u16::MAX {
            let (found, expected) = (from_f16(bits), f16::from_bits(bits).to_f32());
            assert_eq!(found.to_bits(), expected.to_bits(), "{bits:#06x}");
            for x in [found, found.next_up(), found.next_down(), found * 1.000_244_2, found * 1.5] {
                if !x.is_nan() {
                    assert_eq!(to_f16(x), f16::from_f32_const(x).to_bits(), "{x:e}");
                }
            }
        }
        assert_eq!(to_f16(-f32::NAN), 0xfe00);
    }

    #[test]
    fn bf16_is_that_of_the_half_crate() {
        for bits in (0..u32::MAX - 20_011).step_by(20_011) {
            let x = f32::from_bits(bits);
            assert_eq!(to_bf16(x), bf16::from_f32(x).to_bits(), "{bits:#010x}");
        }
    }

    #[test]
    fn halves_round_to_even() {
        assert_eq!([0.5, 1.5, -2.5, 4e6].map(nearest), [0, 2, -2, 4_000_000]);
    }
}
