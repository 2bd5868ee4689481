//! Blocks of 32 values with one scale: Q4_0 and Q5_0 (codes around zero), Q4_1 and Q5_1 (codes
//! above a minimum), Q8_0.
//!
//! A block of 4 or 5 bits is the scale (`f16`), the minimum (`f16`, if any), the fifth bits (a
//! little-endian `u32`, bit `i` of value `i`), then sixteen bytes: the lower four bits of value
//! `i` and above them those of value `i + 16`.

use super::Codec;
use super::bits::{gather_bit, pack_halves, scatter_bit, unpack_halves};
use super::numbers::{read_f16, write_f16};
use super::search::{affine, extreme, fine_grid, symmetric};
use super::tile::{
    Input, TILE, abs, if_zero, load, load_importance, mean_squares, spread, store_codes, weigh,
};
use crate::simd::{LANES, Simd};

const LEN: usize = 32;

/// Q4_0 and Q5_0: `x = scale * (code - 2^(BITS - 1))`.
pub(super) struct Signed<const BITS: usize>;
/// Q4_1 and Q5_1: `x = scale * code + minimum`.
pub(super) struct Above<const BITS: usize>;
/// Q8_0: `x = scale * code`.
pub(super) struct Q8_0;

/// `1 / d`, or 0 where `d` is 0.
#[inline(always)]
fn inverse_or_zero<S: Simd>(s: S, d: S::V) -> S::V {
    if_zero(s, d, s.splat(0.0), s.div(s.splat(1.0), d))
}

/// The cost of an error at each value of the tile at `start`, when there is an importance.
#[inline(always)]
fn weights<S: Simd>(
    s: S,
    input: Input,
    means: &[f32],
    (start, x): (usize, &[S::V; LEN]),
) -> Option<[S::V; LEN]> {
    let importance = load_importance::<S, LEN>(s, input.importance?, start);
    let mean = spread(s, means, input.columns, start, LEN);
    Some(weigh(s, &importance, x, mean))
}

/// Each row's mean square, when there is an importance.
#[inline(always)]
fn row_means<S: Simd>(s: S, input: Input) -> Vec<f32> {
    match input.importance {
        Some(_) => mean_squares(s, input.values, input.columns, 1.0),
        None => Vec::new(),
    }
}

/// The fifth bits and the sixteen bytes of one block's codes.
#[inline(always)]
fn pack<const BITS: usize>(codes: &[u8], out: &mut [u8]) {
    let at = if BITS == 5 { 4 } else { 0 };
    pack_halves(codes, LEN / 2, &mut out[at..at + LEN / 2]);
    if BITS == 5 {
        for (out, codes) in out.iter_mut().zip(codes.chunks_exact(8)) {
            *out = gather_bit(codes, 4);
        }
    }
}

/// The codes that [`pack`] wrote.
#[inline(always)]
fn unpack<const BITS: usize>(bytes: &[u8]) -> [u8; LEN] {
    let mut codes = [0; LEN];
    let at = if BITS == 5 { 4 } else { 0 };
    unpack_halves(&bytes[at..at + LEN / 2], LEN / 2, &mut codes);
    if BITS == 5 {
        for (&fifth, codes) in bytes.iter().zip(codes.chunks_exact_mut(8)) {
            scatter_bit(fifth, 4, codes);
        }
    }
    codes
}

/// Bytes of a block of one `f16` header.
const fn signed_bytes(bits: usize) -> usize {
    2 + LEN * bits / 8
}

impl<const BITS: usize> Codec for Signed<BITS> {
    #[inline(always)]
    fn quantize<S: Simd>(s: S, input: Input, out: &mut [u8]) {
        let (bytes, half) = (signed_bytes(BITS), (1 << (BITS - 1)) as f32);
        let means = row_means(s, input);
        let tiles = input.values.chunks(TILE).zip(out.chunks_mut(LANES * bytes));
        for (t, (values, out)) in tiles.enumerate() {
            let x = load::<S, LEN>(s, values);
            let mut codes = x;
            let scale = match weights(s, input, &means, (t * TILE, &x)) {
                Some(weights) => symmetric(s, (&x, &weights), half, &mut codes),
                None => {
                    let scale = s.div(extreme(s, &x).0, s.splat(-half));
                    let inverse = inverse_or_zero(s, scale);
                    for code in &mut codes {
                        *code = s.add(s.mul(*code, inverse), s.splat(half + 0.5));
                    }
                    scale
                }
            };
            let (scales, mut packed) = (s.to_array(scale), [0; TILE]);
            store_codes(s, &codes, &mut packed);
            let top = (1 << BITS) - 1;
            for code in &mut packed {
                *code = code.cast_signed().min(top).cast_unsigned();
            }
            for (block, out) in out.chunks_exact_mut(bytes).enumerate() {
                write_f16(out, 0, scales[block]);
                pack::<BITS>(&packed[block * LEN..][..LEN], &mut out[2..]);
            }
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(s: S, bytes: &[u8], out: &mut [f32]) {
        let half = s.splat((1 << (BITS - 1)) as f32);
        let blocks = bytes.chunks_exact(signed_bytes(BITS));
        for (bytes, out) in blocks.zip(out.chunks_exact_mut(LEN)) {
            let scale = s.splat(read_f16(bytes, 0));
            let codes = unpack::<BITS>(&bytes[2..]);
            for at in [0, LANES] {
                let code = s.sub(s.read_bytes(&codes, at), half);
                s.write(out, at, s.mul(code, scale));
            }
        }
    }
}

impl<const BITS: usize> Codec for Above<BITS> {
    #[inline(always)]
    fn quantize<S: Simd>(s: S, input: Input, out: &mut [u8]) {
        let (bytes, top) = (signed_bytes(BITS) + 2, ((1 << BITS) - 1) as f32);
        let means = row_means(s, input);
        let tiles = input.values.chunks(TILE).zip(out.chunks_mut(LANES * bytes));
        for (t, (values, out)) in tiles.enumerate() {
            let x = load::<S, LEN>(s, values);
            let mut codes = x;
            let (scale, low) = match weights(s, input, &means, (t * TILE, &x)) {
                Some(weights) => {
                    let grid = fine_grid(top);
                    let found = affine::<S, LEN, false>(s, (&x, &weights), &grid, &mut codes);
                    (found.0, s.mul(found.1, s.splat(-1.0)))
                }
                None => span(s, &x, top, &mut codes),
            };
            let (scales, lows) = (s.to_array(scale), s.to_array(low));
            let mut packed = [0; TILE];
            store_codes(s, &codes, &mut packed);
            if BITS == 4 {
                for code in &mut packed {
                    *code = code.cast_signed().min(15).cast_unsigned();
                }
            }
            for (block, out) in out.chunks_exact_mut(bytes).enumerate() {
                write_f16(out, 0, scales[block]);
                write_f16(out, 2, lows[block]);
                pack::<BITS>(&packed[block * LEN..][..LEN], &mut out[4..]);
            }
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(s: S, bytes: &[u8], out: &mut [f32]) {
        let blocks = bytes.chunks_exact(signed_bytes(BITS) + 2);
        for (bytes, out) in blocks.zip(out.chunks_exact_mut(LEN)) {
            let (scale, low) = (s.splat(read_f16(bytes, 0)), s.splat(read_f16(bytes, 2)));
            let codes = unpack::<BITS>(&bytes[4..]);
            for at in [0, LANES] {
                s.write(out, at, s.add(s.mul(s.read_bytes(&codes, at), scale), low));
            }
        }
    }
}

/// Codes that span the lowest to the highest value evenly: returns (scale, lowest).
#[inline(always)]
fn span<S: Simd>(s: S, x: &[S::V; LEN], top: f32, codes: &mut [S::V; LEN]) -> (S::V, S::V) {
    let (mut low, mut high) = (s.splat(f32::MAX), s.splat(f32::MIN));
    for &x in x {
        low = s.min(x, low);
        high = s.max(x, high);
    }
    let scale = s.div(s.sub(high, low), s.splat(top));
    let inverse = inverse_or_zero(s, scale);
    for i in 0..LEN {
        codes[i] = s.add(s.mul(s.sub(x[i], low), inverse), s.splat(0.5));
    }
    (scale, low)
}

impl Codec for Q8_0 {
    #[inline(always)]
    fn quantize<S: Simd>(s: S, input: Input, out: &mut [u8]) {
        let zero = s.splat(0.0);
        // The largest float below a half: adding it and truncating rounds halves away from zero.
        let half = 0.5_f32.next_down();
        let tiles = input.values.chunks(TILE).zip(out.chunks_mut(LANES * (2 + LEN)));
        for (values, out) in tiles {
            let mut codes = load::<S, LEN>(s, values);
            let mut size = zero;
            for &x in &codes {
                size = s.max(size, abs(s, x));
            }
            let scale = s.div(size, s.splat(127.0));
            let inverse = inverse_or_zero(s, scale);
            for code in &mut codes {
                let x = s.mul(*code, inverse);
                *code = s.add(x, s.select_lt(x, zero, s.splat(-half), s.splat(half)));
            }
            let (scales, mut packed) = (s.to_array(scale), [0; TILE]);
            store_codes(s, &codes, &mut packed);
            for (block, out) in out.chunks_exact_mut(2 + LEN).enumerate() {
                write_f16(out, 0, scales[block]);
                out[2..].copy_from_slice(&packed[block * LEN..][..LEN]);
            }
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(s: S, bytes: &[u8], out: &mut [f32]) {
        for (bytes, out) in bytes.chunks_exact(2 + LEN).zip(out.chunks_exact_mut(LEN)) {
            let scale = s.splat(read_f16(bytes, 0));
            let mut codes = [0; LEN];
            for (code, byte) in codes.iter_mut().zip(&bytes[2..]) {
                *code = byte ^ 0x80; // 128 more, so that it has no sign
            }
            for at in [0, LANES] {
                let code = s.sub(s.read_bytes(&codes, at), s.splat(128.0));
                s.write(out, at, s.mul(code, scale));
            }
        }
    }
}
