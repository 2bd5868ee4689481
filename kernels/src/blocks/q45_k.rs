//! Q4_K and Q5_K: `x = d * scale * code - m * minimum`, codes of 4 or 5 bits, a scale and a
//! minimum of 6 bits for every 32 of the 256 values.
//!
//! A block is `d` and `m` (`f16`), twelve bytes of scales and minima (see [`pack_scales`]), for
//! Q5_K 32 bytes of the codes' fifth bits (bit `r` of byte `l` is that of value `32 * r + l`), and
//! 128 bytes of the lower four (byte `32 * p + l`: value `64 * p + l`, above it that 32 further).

use super::Codec;
use super::bits::{SUPER, pack_halves, pack_plane, unpack_halves, unpack_plane};
use super::numbers::{nearest, read_f16, write_f16};
use super::scales::unsigned;
use super::search::{Grid, affine, code, fine_grid};
use super::tile::{
    Input, TILE, abs, if_zero, load, load_importance, mean_squares, spread, store_codes, sum, weigh,
};
use crate::simd::{LANES, Simd};

const SUB: usize = 32;
/// Sub-blocks of a super-block; two of those fill a tile.
const SUBS: usize = SUPER / SUB;
/// Where the codes begin.
const CODES: usize = 16;

/// See the module: `BITS` is 4 or 5.
pub(super) struct Q45K<const BITS: usize>;

const fn block_bytes(bits: usize) -> usize {
    CODES + SUPER * bits / 8
}

impl<const BITS: usize> Codec for Q45K<BITS> {
    #[inline(always)]
    fn quantize<S: Simd>(s: S, input: Input, out: &mut [u8]) {
        let (bytes, top) = (block_bytes(BITS), ((1 << BITS) - 1) as f32);
        let means = match input.importance {
            Some(_) => mean_squares(s, input.values, SUPER, 2.0),
            None => Vec::new(),
        };
        let tiles = input.values.chunks(TILE).zip(out.chunks_mut(2 * bytes));
        for (t, (values, out)) in tiles.enumerate() {
            let x = load::<S, SUB>(s, values);
            let mut codes = x;
            let weights = match input.importance {
                Some(importance) => {
                    let importance = load_importance::<S, SUB>(s, importance, t * TILE);
                    weigh(s, &importance, &x, spread(s, &means, SUPER, t * TILE, SUB))
                }
                None => even_weights(s, &x),
            };
            let grid = if input.importance.is_some() { fine_grid(top) } else { coarse_grid(top) };
            let found = affine::<S, SUB, false>(s, (&x, &weights), &grid, &mut codes);
            let found = (s.to_array(found.0), s.to_array(found.1));
            let sums = input.importance.map(|_| s.to_array(sum(s, &weights)));
            let (mut scales, mut minima) = ([0.0; LANES], [0.0; LANES]);
            for (block, out) in out.chunks_exact_mut(bytes).enumerate() {
                let lanes = block * SUBS..(block + 1) * SUBS;
                let found = (&found.0[lanes.clone()], &found.1[lanes.clone()]);
                write_scales(found, sums.as_ref().map(|sums| &sums[lanes.clone()]), out);
                read_scales(out, (&mut scales[lanes.clone()], &mut minima[lanes]));
            }
            let (scale, minimum) = (s.read(&scales, 0), s.read(&minima, 0));
            for i in 0..SUB {
                let new = code(s, s.div(s.add(x[i], minimum), scale), 0.0, top);
                codes[i] = if_zero(s, scale, codes[i], new);
            }
            let mut packed = [0; TILE];
            store_codes(s, &codes, &mut packed);
            for (block, out) in out.chunks_exact_mut(bytes).enumerate() {
                pack_codes::<BITS>(&packed[block * SUPER..][..SUPER], &mut out[CODES..]);
            }
        }
    }

    #[inline(always)]
    fn dequantize<S: Simd>(s: S, bytes: &[u8], out: &mut [f32]) {
        let blocks = bytes.chunks_exact(block_bytes(BITS));
        for (bytes, out) in blocks.zip(out.chunks_exact_mut(SUPER)) {
            let (mut scales, mut minima) = ([0.0; SUBS], [0.0; SUBS]);
            read_scales(bytes, (&mut scales, &mut minima));
            let codes = unpack_codes::<BITS>(&bytes[CODES..]);
            for (sub, out) in out.chunks_exact_mut(SUB).enumerate() {
                let (scale, minimum) = (s.splat(scales[sub]), s.splat(minima[sub]));
                for at in [0, LANES] {
                    let product = s.mul(scale, s.read_bytes(&codes, sub * SUB + at));
                    s.write(out, at, s.sub(product, minimum));
                }
            }
        }
    }
}

fn coarse_grid(top: f32) -> Grid {
    match top {
        15.0 => Grid { top, start: -1.0, step: 0.1, steps: 20 },
        _ => Grid { top, start: -0.5, step: 0.1, steps: 15 },
    }
}

/// `root mean square + |x|` of each sub-block.
#[inline(always)]
fn even_weights<S: Simd>(s: S, x: &[S::V; SUB]) -> [S::V; SUB] {
    let mut weights = *x;
    let mut squares = s.splat(0.0);
    for &x in x {
        squares = s.add(squares, s.mul(x, x));
    }
    let mean = s.sqrt(s.div(squares, s.splat(SUB as f32)));
    for weight in &mut weights {
        *weight = s.add(mean, abs(s, *weight));
    }
    weights
}

/// Quantizes eight scales and minima, to the least weighted error or to 63rds of the largest.
fn write_scales((scales, minima): (&[f32], &[f32]), weights: Option<&[f32]>, out: &mut [u8]) {
    let (mut low, mut high) = ([0; SUBS], [0; SUBS]);
    let (d, m) = match weights {
        Some(weights) => {
            let d = unsigned(scales, weights, 63, &mut low);
            (d, unsigned(minima, weights, 63, &mut high))
        }
        None => (even_scales(scales, &mut low), even_scales(minima, &mut high)),
    };
    pack_scales(&low, &high, &mut out[4..CODES]);
    write_f16(out, 0, d);
    write_f16(out, 2, m);
}

fn even_scales(x: &[f32], codes: &mut [u8; SUBS]) -> f32 {
    let max = x.iter().fold(0.0, |max, &x| if x > max { x } else { max });
    let inverse = if max > 0.0 { 63.0 / max } else { 0.0 };
    for (code, &x) in codes.iter_mut().zip(x) {
        *code = (nearest(inverse * x) as u8).min(63);
    }
    max / 63.0
}

/// Eight scales and minima of 6 bits: bytes 0..4 hold scales 0..4, bytes 4..8 minima 0..4, bytes
/// 8..12 the lower four bits of scale and minimum 4..8, whose upper two top the first eight bytes.
fn pack_scales(scales: &[u8; SUBS], minima: &[u8; SUBS], out: &mut [u8]) {
    for j in 0..4 {
        out[j] = scales[j] | ((scales[j + 4] >> 4) << 6);
        out[j + 4] = minima[j] | ((minima[j + 4] >> 4) << 6);
        out[j + 8] = (scales[j + 4] & 15) | (minima[j + 4] << 4);
    }
}

/// `d * scale` and `m * minimum` of the eight sub-blocks of a block.
#[inline(always)]
fn read_scales(block: &[u8], (scales, minima): (&mut [f32], &mut [f32])) {
    let (d, m) = (read_f16(block, 0), read_f16(block, 2));
    let bytes = &block[4..CODES];
    for j in 0..4 {
        scales[j] = d * f32::from(bytes[j] & 63);
        minima[j] = m * f32::from(bytes[j + 4] & 63);
        scales[j + 4] = d * f32::from((bytes[j + 8] & 15) | ((bytes[j] >> 6) << 4));
        minima[j + 4] = m * f32::from((bytes[j + 8] >> 4) | ((bytes[j + 4] >> 6) << 4));
    }
}

#[inline(always)]
fn pack_codes<const BITS: usize>(codes: &[u8], out: &mut [u8]) {
    let (fifth, low) = out.split_at_mut(if BITS == 5 { SUB } else { 0 });
    pack_halves(codes, SUB, low);
    if BITS == 5 {
        pack_plane(codes, 4, fifth);
    }
}

/// The codes that [`pack_codes`] wrote.
#[inline(always)]
fn unpack_codes<const BITS: usize>(bytes: &[u8]) -> [u8; SUPER] {
    let mut codes = [0; SUPER];
    let (fifth, low) = bytes.split_at(if BITS == 5 { SUB } else { 0 });
    unpack_halves(low, SUB, &mut codes);
    if BITS == 5 {
        unpack_plane(fifth, 4, &mut codes);
    }
    codes
}
