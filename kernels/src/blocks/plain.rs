//! F32, F16 and BF16: a value a block.

use super::Codec;
use super::numbers::{from_f16, to_bf16, to_f16};
use super::tile::Input;
use crate::simd::Simd;

/// Little-endian `f32`.
pub(super) struct F32;
/// Little-endian `f16`.
pub(super) struct F16;
/// Little-endian `bf16`.
pub(super) struct BF16;

impl Codec for F32 {
    #[inline(always)]
    fn quantize<S: Simd>(_: S, input: Input, out: &mut [u8]) {
        for (out, &x) in out.chunks_exact_mut(4).zip(input.values) {
            out.copy_from_slice(&x.to_le_bytes());
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(_: S, bytes: &[u8], out: &mut [f32]) {
        for (x, bytes) in out.iter_mut().zip(bytes.chunks_exact(4)) {
            *x = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
    }
}

impl Codec for F16 {
    #[inline(always)]
    fn quantize<S: Simd>(_: S, input: Input, out: &mut [u8]) {
        for (out, &x) in out.chunks_exact_mut(2).zip(input.values) {
            out.copy_from_slice(&to_f16(x).to_le_bytes());
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(_: S, bytes: &[u8], out: &mut [f32]) {
        for (x, bytes) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            *x = from_f16(u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }
}

impl Codec for BF16 {
    #[inline(always)]
    fn quantize<S: Simd>(_: S, input: Input, out: &mut [u8]) {
        for (out, &x) in out.chunks_exact_mut(2).zip(input.values) {
            out.copy_from_slice(&to_bf16(x).to_le_bytes());
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(_: S, bytes: &[u8], out: &mut [f32]) {
        for (x, bytes) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            *x = f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16);
        }
    }
}
