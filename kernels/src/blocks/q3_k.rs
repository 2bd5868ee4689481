//! Q3_K: `x = d * (scale - 32) * (code - 4)`, codes of 3 bits, a scale of 6 bits for every 16 of
//! the 256 values.
//!
//! A block is 32 bytes of the codes' third bits (bit `r` of byte `l` is that of value
//! `32 * r + l`), 64 bytes of their lower two, twelve bytes of scales (see [`pack_scales`]) and
//! `d` (`f16`).

use super::Codec;
use super::bits::{SUPER, pack_pairs, pack_plane, unpack_pairs, unpack_plane};
use super::numbers::{nearest, read_f16, write_f16};
use super::scales::signed;
use super::search::{TINY, code, extreme, symmetric};
use super::tile::{
    Input, TILE, abs, if_zero, load, load_importance, mean_squares, store_codes, sum, weigh,
};
use crate::simd::{LANES, Simd};

const SUB: usize = 16;
const BYTES: usize = 110;
/// Where the lower bits, the scales and `d` begin.
const LOW: usize = 32;
const SCALES: usize = 96;
const D: usize = 108;

/// See the module.
pub(super) struct Q3K;

impl Codec for Q3K {
    #[inline(always)]
    fn quantize<S: Simd>(s: S, input: Input, out: &mut [u8]) {
        let means = match input.importance {
            Some(_) => mean_squares(s, input.values, SUPER, 2.0),
            None => Vec::new(),
        };
        let blocks = input.values.chunks_exact(SUPER).zip(out.chunks_exact_mut(BYTES));
        for (b, (values, out)) in blocks.enumerate() {
            let x = load::<S, SUB>(s, values);
            let mut codes = x;
            if let Some(importance) = input.importance {
                let importance = load_importance::<S, SUB>(s, importance, b * SUPER);
                let weights = weigh(s, &importance, &x, s.splat(means[b]));
                let scales = s.to_array(symmetric(s, (&x, &weights), 4.0, &mut codes));
                let mut packed = [0; LANES];
                let d = signed(&scales, &s.to_array(sum(s, &weights)), 32, &mut packed);
                pack_scales(&packed, &mut out[SCALES..D]);
                write_f16(out, D, d);
            } else {
                let scales = s.to_array(descend(s, &x, &mut codes));
                even_scales(&scales, out);
            }
            requantize(s, &x, out, &mut codes);
            let mut packed = [0; TILE];
            store_codes(s, &codes, &mut packed);
            pack_plane(&packed, 2, out);
            pack_pairs(&packed, 0, &mut out[LOW..SCALES]);
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(s: S, bytes: &[u8], out: &mut [f32]) {
        for (bytes, out) in bytes.chunks_exact(BYTES).zip(out.chunks_exact_mut(SUPER)) {
            let d = read_f16(bytes, D);
            let scales = unpack_scales(&bytes[SCALES..D]);
            let mut codes = unpack_pairs(&bytes[LOW..SCALES]);
            unpack_plane(bytes, 2, &mut codes);
            for (sub, out) in out.chunks_exact_mut(SUB).enumerate() {
                let code = s.sub(s.read_bytes(&codes, sub * SUB), s.splat(4.0));
                s.write(out, 0, s.mul(s.splat(d * f32::from(scales[sub])), code));
            }
        }
    }
}

/// Fits `x ≈ scale * code` with codes `-4..4` and the weights `x²`: from the codes that put the
/// extreme value on -4, single codes are moved while that helps, at most five rounds (ggml's
/// `make_q3_quants`). Returns the scale and writes the codes, shifted to `0..8`.
#[inline(always)]
fn descend<S: Simd>(s: S, x: &[S::V; SUB], codes: &mut [S::V; SUB]) -> S::V {
    let zero = s.splat(0.0);
    let (extreme, size) = extreme(s, x);
    let inverse = s.div(s.splat(-4.0), extreme);
    let (mut sum_xl, mut sum_l2) = (zero, zero);
    for i in 0..SUB {
        let l = code(s, s.mul(inverse, x[i]), -4.0, 3.0);
        let weight = s.mul(x[i], x[i]);
        sum_xl = s.add(sum_xl, s.mul(s.mul(weight, x[i]), l));
        sum_l2 = s.add(sum_l2, s.mul(s.mul(weight, l), l));
        codes[i] = l;
    }
    for _ in 0..5 {
        let mut moves = zero;
        for i in 0..SUB {
            let moved = step(s, x[i], &mut codes[i], (&mut sum_xl, &mut sum_l2));
            moves = s.add(moves, moved);
        }
        // A round without a move leaves everything as it was, and so would the next.
        if s.sum(moves) == 0.0 {
            break;
        }
    }
    let tiny = s.splat(TINY);
    for code in codes.iter_mut() {
        *code = s.select_lt(size, tiny, zero, s.add(*code, s.splat(4.0)));
    }
    let scale = s.select_lt(zero, sum_l2, s.div(sum_xl, sum_l2), zero);
    s.select_lt(size, tiny, zero, scale)
}

/// One code of [`descend`]: takes the code that fits the other fifteen best when the whole gets
/// better by it. Returns 1 in the lanes that moved.
#[inline(always)]
fn step<S: Simd>(
    s: S,
    x: S::V,
    code_of_x: &mut S::V,
    (sum_xl, sum_l2): (&mut S::V, &mut S::V),
) -> S::V {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    let old = *code_of_x;
    let weight = s.mul(x, x);
    let wx = s.mul(weight, x);
    let rest_xl = s.sub(*sum_xl, s.mul(wx, old));
    let rest_l2 = s.sub(*sum_l2, s.mul(s.mul(weight, old), old));
    let new = code(s, s.div(s.mul(x, rest_l2), rest_xl), -4.0, 3.0);
    let xl = s.add(rest_xl, s.mul(wx, new));
    let l2 = s.add(rest_l2, s.mul(s.mul(weight, new), new));
    let gain = s.mul(s.mul(xl, xl), *sum_l2);
    let bound = s.mul(s.mul(*sum_xl, *sum_xl), l2);
    let better = s.select_lt(bound, gain, one, zero);
    let better = s.select_lt(zero, l2, better, zero);
    let better = s.select_lt(zero, abs(s, s.sub(new, old)), better, zero);
    let better = s.select_lt(zero, rest_xl, better, zero);
    *code_of_x = s.select_lt(zero, better, new, old);
    *sum_xl = s.select_lt(zero, better, xl, *sum_xl);
    *sum_l2 = s.select_lt(zero, better, l2, *sum_l2);
    better
}

/// Scales that put the extreme one on -32.
fn even_scales(scales: &[f32; LANES], out: &mut [u8]) {
    let (mut extreme, mut size) = (0.0, 0.0);
    for &scale in scales {
        if scale.abs() > size {
            (extreme, size) = (scale, scale.abs());
        }
    }
    if extreme == 0.0 {
        out[SCALES..].fill(0);
        return;
    }
    let inverse = -32.0 / extreme;
    let codes = scales.map(|scale| ((nearest(inverse * scale) as i8).clamp(-32, 31) + 32) as u8);
    pack_scales(&codes, &mut out[SCALES..D]);
    write_f16(out, D, 1.0 / inverse);
}

/// Sixteen scales of 6 bits: byte `j < 8` holds the lower four bits of scales `j` and `j + 8`,
/// byte `8 + j` the upper two of scales `j`, `j + 4`, `j + 8` and `j + 12`.
fn pack_scales(scales: &[u8; LANES], out: &mut [u8]) {
    out.fill(0);
    for (j, &scale) in scales.iter().enumerate() {
        out[j % 8] |= (scale & 15) << (4 * (j / 8));
        out[8 + j % 4] |= (scale >> 4) << (2 * (j / 4));
    }
}

/// The scales that [`pack_scales`] wrote, less 32.
fn unpack_scales(bytes: &[u8]) -> [i8; LANES] {
    let mut scales = [0; LANES];
    for (j, scale) in scales.iter_mut().enumerate() {
        let low = (bytes[j % 8] >> (4 * (j / 8))) & 15;
        let high = (bytes[8 + j % 4] >> (2 * (j / 4))) & 3;
        *scale = (low | (high << 4)).cast_signed() - 32;
    }
    scales
}

/// The codes for the scales as they were written, where a scale is not zero.
#[inline(always)]
fn requantize<S: Simd>(s: S, x: &[S::V; SUB], out: &[u8], codes: &mut [S::V; SUB]) {
    let d = read_f16(out, D);
    let mut scales = [0.0; LANES];
    for (scale, bits) in scales.iter_mut().zip(unpack_scales(&out[SCALES..D])) {
        *scale = d * f32::from(bits);
    }
    let scale = s.read(&scales, 0);
    for i in 0..SUB {
        let new = s.add(code(s, s.div(x[i], scale), -4.0, 3.0), s.splat(4.0));
        codes[i] = if_zero(s, scale, codes[i], new);
    }
}
