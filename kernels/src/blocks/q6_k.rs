//! Q6_K: `x = d * scale * (code - 32)`, codes of 6 bits, a scale of 8 bits (signed) for every 16
//! of the 256 values.
//!
//! A block is 128 bytes of the codes' lower four bits (byte `64 * h + l`: value `128 * h + l`,
//! above it that 64 further), 64 bytes of their upper two, sixteen scales, and `d` (`f16`).

use super::Codec;
use super::bits::{SUPER, pack_halves, pack_pairs, unpack_halves, unpack_pairs};
use super::numbers::{nearest, read_f16, write_f16};
use super::search::{TINY, code, symmetric};
use super::tile::{Input, TILE, if_zero, load, load_importance, store_codes};
use crate::simd::{LANES, Simd};

const SUB: usize = 16;
const BYTES: usize = 210;
/// Where the upper bits, the scales and `d` begin.
const HIGH: usize = 128;
const SCALES: usize = 192;
const D: usize = 208;

/// See the module.
pub(super) struct Q6K;

impl Codec for Q6K {
    #[inline(always)]
    fn quantize<S: Simd>(s: S, input: Input, out: &mut [u8]) {
        let blocks = input.values.chunks_exact(SUPER).zip(out.chunks_exact_mut(BYTES));
        for (b, (values, out)) in blocks.enumerate() {
            let x = load::<S, SUB>(s, values);
            let mut codes = x;
            let weights = match input.importance {
                Some(importance) => load_importance::<S, SUB>(s, importance, b * SUPER),
                None => squares(s, &x),
            };
            let scales = s.to_array(symmetric(s, (&x, &weights), 32.0, &mut codes));
            if !write_scales(&scales, out) {
                out.fill(0);
                continue;
            }
            requantize(s, &x, out, &mut codes);
            let mut packed = [0; TILE];
            store_codes(s, &codes, &mut packed);
            pack_halves(&packed[..SUPER], 64, &mut out[..HIGH]);
            pack_pairs(&packed, 4, &mut out[HIGH..SCALES]);
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(s: S, bytes: &[u8], out: &mut [f32]) {
        for (bytes, out) in bytes.chunks_exact(BYTES).zip(out.chunks_exact_mut(SUPER)) {
            let d = read_f16(bytes, D);
            let (high, mut codes) = (unpack_pairs(&bytes[HIGH..SCALES]), [0; SUPER]);
            unpack_halves(&bytes[..HIGH], 64, &mut codes);
            for (code, high) in codes.iter_mut().zip(high) {
                *code |= high << 4;
            }
            for (sub, out) in out.chunks_exact_mut(SUB).enumerate() {
                let scale = d * f32::from(bytes[SCALES + sub].cast_signed());
                let code = s.sub(s.read_bytes(&codes, sub * SUB), s.splat(32.0));
                s.write(out, 0, s.mul(s.splat(scale), code));
            }
        }
    }
}

#[inline(always)]
fn squares<S: Simd>(s: S, x: &[S::V; SUB]) -> [S::V; SUB] {
    let mut squares = *x;
    for square in &mut squares {
        *square = s.mul(*square, *square);
    }
    squares
}

/// Scales that put the extreme one on -128; false when all count as zero.
fn write_scales(scales: &[f32; LANES], out: &mut [u8]) -> bool {
    let (mut extreme, mut size) = (0.0, 0.0);
    for &scale in scales {
        if scale.abs() > size {
            (extreme, size) = (scale, scale.abs());
        }
    }
    if size < TINY {
        return false;
    }
    let inverse = -128.0 / extreme;
    write_f16(out, D, 1.0 / inverse);
    for (out, &scale) in out[SCALES..D].iter_mut().zip(scales) {
        *out = nearest(inverse * scale).min(127) as u8;
    }
    true
}

/// The codes for the scales as they were written, where a scale is not zero.
#[inline(always)]
fn requantize<S: Simd>(s: S, x: &[S::V; SUB], out: &[u8], codes: &mut [S::V; SUB]) {
    let d = read_f16(out, D);
    let mut scales = [0.0; LANES];
    for (scale, &byte) in scales.iter_mut().zip(&out[SCALES..D]) {
        *scale = d * f32::from(byte.cast_signed());
    }
    let scale = s.read(&scales, 0);
    for i in 0..SUB {
        let new = s.add(code(s, s.div(x[i], scale), -32.0, 31.0), s.splat(32.0));
        codes[i] = if_zero(s, scale, codes[i], new);
    }
}
