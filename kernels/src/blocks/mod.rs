//! Block quantization, byte for byte as ggml's: what GGUF files hold.
//!
//! [`quantize_rows`] gives the bytes of `ggml_quantize_chunk`, with and without an importance
//! (llama.cpp's imatrix), and [`dequantize_rows`] the bits of ggml's `dequantize_row_*`. The
//! reference is ggml as its own build makes it on x86-64: the library that holds the quantizers
//! is compiled for the base instruction set, where no compiler fuses a multiplication with an
//! addition, so each operation rounds by itself in the order of the source. A build with fused
//! operations (AArch64, or `-march=native` forced on everything) rounds a few codes otherwise.
//!
//! Sixteen sub-blocks run side by side, one a lane, each as if alone: every level of
//! [`Level`] writes the same bytes, which do not depend on how rows are split over calls.
//! Values must be finite; other values give some bytes, and no panic.

mod bits;
mod block_type;
mod legacy;
mod numbers;
mod plain;
mod q2_k;
mod q3_k;
mod q45_k;
mod q6_k;
mod scales;
mod search;
#[cfg(test)]
mod tests;
mod tile;

use std::marker::PhantomData;

pub use block_type::BlockType;

use crate::level::Level;
use crate::simd::{Kernel, Simd};
use tile::Input;

/// One storage type; both directions are `#[inline(always)]` (see [`Kernel`]).
trait Codec {
    /// Writes `input.values`, whole blocks, to `out`, which has just the bytes they need.
    fn quantize<S: Simd>(s: S, input: Input, out: &mut [u8]);
    /// Reads `bytes`, whole blocks, into `out`, one value for each stored.
    fn dequantize<S: Simd>(s: S, bytes: &[u8], out: &mut [f32]);
}

/// Quantizes `values`, rows of `columns`, to `out`.
///
/// `importance` says for each column what a squared error costs there (the columns' mean squared
/// activations of an imatrix); F32, F16, BF16 and Q8_0 have no choices it could steer.
/// Runs on the calling thread: callers spread rows over their threads.
///
/// # Panics
/// When `values` are not rows of `columns`, `columns` not whole blocks, `out` not the bytes of
/// the rows or `importance` not a number for each column.
pub fn quantize_rows(
    kind: BlockType,
    values: &[f32],
    columns: usize,
    importance: Option<&[f32]>,
    out: &mut [u8],
) {
    quantize_rows_at(Level::active(), kind, Input { values, columns, importance }, out);
}

fn quantize_rows_at(level: Level, kind: BlockType, input: Input, out: &mut [u8]) {
    let Input { values, columns, importance } = input;
    if values.is_empty() && out.is_empty() {
        return;
    }
    assert!(
        columns > 0 && values.len().is_multiple_of(columns),
        "{} values are not rows of {columns}",
        values.len()
    );
    let bytes = values.len() / columns * kind.row_bytes(columns);
    assert_eq!(out.len(), bytes, "the bytes of {} values as {kind}", values.len());
    if let Some(importance) = importance {
        assert_eq!(importance.len(), columns, "an importance for each column");
    }
    match kind {
        BlockType::F32 => quantize::<plain::F32>(level, input, out),
        BlockType::F16 => quantize::<plain::F16>(level, input, out),
        BlockType::BF16 => quantize::<plain::BF16>(level, input, out),
        BlockType::Q4_0 => quantize::<legacy::Signed<4>>(level, input, out),
        BlockType::Q4_1 => quantize::<legacy::Above<4>>(level, input, out),
        BlockType::Q5_0 => quantize::<legacy::Signed<5>>(level, input, out),
        BlockType::Q5_1 => quantize::<legacy::Above<5>>(level, input, out),
        BlockType::Q8_0 => quantize::<legacy::Q8_0>(level, input, out),
        BlockType::Q2K => quantize::<q2_k::Q2K>(level, input, out),
        BlockType::Q3K => quantize::<q3_k::Q3K>(level, input, out),
        BlockType::Q4K => quantize::<q45_k::Q45K<4>>(level, input, out),
        BlockType::Q5K => quantize::<q45_k::Q45K<5>>(level, input, out),
        BlockType::Q6K => quantize::<q6_k::Q6K>(level, input, out),
    }
}

/// The values that `bytes`, whole blocks, stand for.
///
/// # Panics
/// When `bytes` are not whole blocks or `out` has not a value for each of theirs.
pub fn dequantize_rows(kind: BlockType, bytes: &[u8], out: &mut [f32]) {
    dequantize_rows_at(Level::active(), kind, bytes, out);
}

fn dequantize_rows_at(level: Level, kind: BlockType, bytes: &[u8], out: &mut [f32]) {
    let blocks = bytes.len() / kind.block_bytes();
    let whole = bytes.len().is_multiple_of(kind.block_bytes());
    assert!(whole, "{} bytes are not blocks of {kind}", bytes.len());
    assert_eq!(out.len(), blocks * kind.block_len(), "a value for each of {blocks} blocks");
    match kind {
        BlockType::F32 => dequantize::<plain::F32>(level, bytes, out),
        BlockType::F16 => dequantize::<plain::F16>(level, bytes, out),
        BlockType::BF16 => dequantize::<plain::BF16>(level, bytes, out),
        BlockType::Q4_0 => dequantize::<legacy::Signed<4>>(level, bytes, out),
        BlockType::Q4_1 => dequantize::<legacy::Above<4>>(level, bytes, out),
        BlockType::Q5_0 => dequantize::<legacy::Signed<5>>(level, bytes, out),
        BlockType::Q5_1 => dequantize::<legacy::Above<5>>(level, bytes, out),
        BlockType::Q8_0 => dequantize::<legacy::Q8_0>(level, bytes, out),
        BlockType::Q2K => dequantize::<q2_k::Q2K>(level, bytes, out),
        BlockType::Q3K => dequantize::<q3_k::Q3K>(level, bytes, out),
        BlockType::Q4K => dequantize::<q45_k::Q45K<4>>(level, bytes, out),
        BlockType::Q5K => dequantize::<q45_k::Q45K<5>>(level, bytes, out),
        BlockType::Q6K => dequantize::<q6_k::Q6K>(level, bytes, out),
    }
}

struct Quantize<'a, C> {
    input: Input<'a>,
    out: &'a mut [u8],
    codec: PhantomData<C>,
}

impl<C: Codec> Kernel for Quantize<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        C::quantize(s, self.input, self.out);
    }
}

fn quantize<C: Codec>(level: Level, input: Input, out: &mut [u8]) {
    level.run(Quantize::<C> { input, out, codec: PhantomData });
}

struct Dequantize<'a, C> {
    bytes: &'a [u8],
    out: &'a mut [f32],
    codec: PhantomData<C>,
}

impl<C: Codec> Kernel for Dequantize<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        C::dequantize(s, self.bytes, self.out);
    }
}

fn dequantize<C: Codec>(level: Level, bytes: &[u8], out: &mut [f32]) {
    level.run(Dequantize::<C> { bytes, out, codec: PhantomData });
}
