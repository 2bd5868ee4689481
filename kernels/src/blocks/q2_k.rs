//! Q2_K: `x = d * scale * code - m * minimum`, codes of 2 bits, a scale and a minimum of 4 bits
//! for every 16 of the 256 values.
//!
//! A block is sixteen bytes (scale, minimum in the upper four bits), 64 bytes of codes, `d` and
//! `m` (`f16`).

use super::Codec;
use super::bits::{SUPER, pack_pairs, unpack_pairs};
use super::numbers::{nearest, read_f16, write_f16};
use super::scales::unsigned;
use super::search::{Grid, affine, code, fine_grid};
use super::tile::{
    Input, TILE, abs, if_zero, load, load_importance, mean_squares, store_codes, sum, weigh,
};
use crate::simd::{LANES, Simd};

const SUB: usize = 16;
const BYTES: usize = 84;

/// See the module.
pub(super) struct Q2K;

impl Codec for Q2K {
    #[inline(always)]
    fn quantize<S: Simd>(s: S, input: Input, out: &mut [u8]) {
        let means = match input.importance {
            Some(_) => mean_squares(s, input.values, SUPER, 1.0),
            None => Vec::new(),
        };
        let blocks = input.values.chunks_exact(SUPER).zip(out.chunks_exact_mut(BYTES));
        for (b, (values, out)) in blocks.enumerate() {
            let x = load::<S, SUB>(s, values);
            let mut codes = x;
            if let Some(importance) = input.importance {
                let importance = load_importance::<S, SUB>(s, importance, b * SUPER);
                let weights = weigh(s, &importance, &x, s.splat(means[b]));
                let (scale, minimum) =
                    affine::<S, SUB, false>(s, (&x, &weights), &fine_grid(3.0), &mut codes);
                let weights = s.to_array(sum(s, &weights));
                weighted_scales((s.to_array(scale), s.to_array(minimum)), &weights, out);
            } else {
                let mut weights = x;
                for weight in &mut weights {
                    *weight = abs(s, *weight);
                }
                let grid = Grid { top: 3.0, start: -0.5, step: 0.1, steps: 15 };
                let (scale, minimum) = affine::<S, SUB, true>(s, (&x, &weights), &grid, &mut codes);
                even_scales((s.to_array(scale), s.to_array(minimum)), out);
            }
            requantize(s, &x, out, &mut codes);
            let mut packed = [0; TILE];
            store_codes(s, &codes, &mut packed);
            pack_pairs(&packed, 0, &mut out[16..80]);
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(s: S, bytes: &[u8], out: &mut [f32]) {
        for (bytes, out) in bytes.chunks_exact(BYTES).zip(out.chunks_exact_mut(SUPER)) {
            let (d, m) = (read_f16(bytes, 80), read_f16(bytes, 82));
            let codes = unpack_pairs(&bytes[16..80]);
            for (sub, out) in out.chunks_exact_mut(SUB).enumerate() {
                let scale = d * f32::from(bytes[sub] & 15);
                let minimum = m * f32::from(bytes[sub] >> 4);
                let product = s.mul(s.splat(scale), s.read_bytes(&codes, sub * SUB));
                s.write(out, 0, s.sub(product, s.splat(minimum)));
            }
        }
    }
}

/// Sixteenths of the largest scale and of the largest minimum.
fn even_scales((scales, minima): ([f32; LANES], [f32; LANES]), out: &mut [u8]) {
    out[..LANES].fill(0);
    let mut header = |x: &[f32; LANES], at: usize, shift: u32| {
        let max = x.iter().fold(0.0, |max, &x| if x > max { x } else { max });
        let inverse = 15.0 / max;
        for (out, &x) in out.iter_mut().zip(x) {
            *out |= if max > 0.0 { (nearest(inverse * x) << shift) as u8 } else { 0 };
        }
        write_f16(out, at, if max > 0.0 { max / 15.0 } else { 0.0 });
    };
    header(&scales, 80, 0);
    header(&minima, 82, 4);
}

/// Scales and minima of the least weighted error.
fn weighted_scales(
    (scales, minima): ([f32; LANES], [f32; LANES]),
    weights: &[f32; LANES],
    out: &mut [u8],
) {
    let (mut low, mut high) = ([0; LANES], [0; LANES]);
    let d = unsigned(&scales, weights, 15, &mut low);
    let m = unsigned(&minima, weights, 15, &mut high);
    write_f16(out, 80, d);
    write_f16(out, 82, m);
    for i in 0..LANES {
        out[i] = low[i] | (high[i] << 4);
    }
}

/// The codes for the scales and minima as they were written, where a scale is not zero.
#[inline(always)]
fn requantize<S: Simd>(s: S, x: &[S::V; SUB], out: &[u8], codes: &mut [S::V; SUB]) {
    let (d, m) = (read_f16(out, 80), read_f16(out, 82));
    let (mut scales, mut minima) = ([0.0; LANES], [0.0; LANES]);
    for i in 0..LANES {
        scales[i] = d * f32::from(out[i] & 15);
        minima[i] = m * f32::from(out[i] >> 4);
    }
    let (scale, minimum) = (s.read(&scales, 0), s.read(&minima, 0));
    for i in 0..SUB {
        let new = code(s, s.div(s.add(x[i], minimum), scale), 0.0, 3.0);
        codes[i] = if_zero(s, scale, codes[i], new);
    }
}
