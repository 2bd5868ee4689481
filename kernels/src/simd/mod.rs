//! Sixteen lanes of `f32`, written once per instruction set, so that every kernel is written once.
//!
//! A value of a [`Simd`] type is proof that its instructions may be used: it is made only by
//! [`Level::run`], which checks the CPU. Kernels are generic and `#[inline(always)]` down to the
//! intrinsics; [`Simd::vectorize`] is the function boundary at which the target features are on.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::level::Level;

/// Lanes of a vector and outputs of a weight tile.
pub(crate) const LANES: usize = 16;

/// `1.5 * 2^23`: added to a float of at most `2^22` it leaves the nearest integer in the low bits.
const MAGIC: f32 = 12_582_912.0;
/// The bits of a float's mantissa.
const MANTISSA: i32 = 0x007f_ffff;

/// Code to run at some level. `run` must be `#[inline(always)]`, and so must what it calls with
/// `simd`; closures lose the target features, so use loops.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The operations of one instruction set on vectors of sixteen `f32`.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Sixteen floats.
    type V: Copy;
    /// Most rows of a micro-kernel block.
    const ROWS: usize;
    /// Most accumulators (rows x tiles) of a micro-kernel block that stay in registers.
    const ACCUMULATORS: usize;

    /// Runs `kernel` compiled for this instruction set, behind a call.
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output;

    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once except at the portable level.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger lane; `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller lane; `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;
    /// The nearest integer (ties to even) where `|a| <= 2^22`; elsewhere what is left of
    /// `a + 1.5 * 2^23` when only its 23 lowest bits are read, less `2^22` (0 for NaN).
    fn nearest(self, a: Self::V) -> Self::V;
    /// `yes` in lanes where `a < b`, else `no`.
    fn select_lt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// `x * 2^n` by adding to the exponent, where `magic = n + 1.5 * 2^23`.
    fn scale_pow2(self, x: Self::V, magic: Self::V) -> Self::V;

    /// # Safety
    /// `p` must be readable for 16 floats.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// The first `count <= 16` lanes from memory, the rest zero.
    /// # Safety
    /// `p` must be readable for `count` floats.
    unsafe fn load_part(self, p: *const f32, count: usize) -> Self::V;
    /// # Safety
    /// `p` must be writable for 16 floats.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// # Safety
    /// `p` must be writable for `count <= 16` floats.
    unsafe fn store_part(self, p: *mut f32, v: Self::V, count: usize);
    /// Sixteen bytes as floats.
    /// # Safety
    /// `p` must be readable for 16 bytes.
    unsafe fn load_bytes(self, p: *const u8) -> Self::V;
    /// Each lane truncated to an `i32` (`i32::MIN` where it does not fit), the low byte of that.
    /// # Safety
    /// `p` must be writable for 16 bytes.
    unsafe fn store_bytes(self, p: *mut u8, v: Self::V);
    /// Sixteen pairs of bf16 as (first of each pair, second of each pair).
    /// # Safety
    /// `p` must be readable for 32 bf16 values.
    unsafe fn load_bf16_pairs(self, p: *const u16) -> (Self::V, Self::V);
    /// Lane `i` of vector `j` becomes lane `j` of vector `i`.
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES];
    /// Hints that the cache line at `p` is wanted soon; any address will do.
    fn prefetch(self, p: *const u8);

    /// The vector at `slice[at..]`, zero past the slice's end.
    #[inline(always)]
    fn read(self, slice: &[f32], at: usize) -> Self::V {
        let left = slice.len() - at;
        let p = slice[at..].as_ptr();
        if left >= LANES {
            // SAFETY: at least 16 floats follow `at`.
            unsafe { self.load(p) }
        } else {
            // SAFETY: `left` floats follow `at`.
            unsafe { self.load_part(p, left) }
        }
    }

    /// Writes the vector to `slice[at..]`, as much of it as fits.
    #[inline(always)]
    fn write(self, slice: &mut [f32], at: usize, v: Self::V) {
        let left = slice.len() - at;
        let p = slice[at..].as_mut_ptr();
        if left >= LANES {
            // SAFETY: at least 16 floats follow `at`.
            unsafe { self.store(p, v) }
        } else {
            // SAFETY: `left` floats follow `at`.
            unsafe { self.store_part(p, v, left) }
        }
    }

    /// The bytes `slice[at..at + 16]` as floats.
    #[inline(always)]
    fn read_bytes(self, slice: &[u8], at: usize) -> Self::V {
        let slice = &slice[at..at + LANES];
        // SAFETY: sixteen bytes.
        unsafe { self.load_bytes(slice.as_ptr()) }
    }

    /// Writes [`Simd::store_bytes`] to `slice[at..at + 16]`.
    #[inline(always)]
    fn write_bytes(self, slice: &mut [u8], at: usize, v: Self::V) {
        let slice = &mut slice[at..at + LANES];
        // SAFETY: sixteen bytes.
        unsafe { self.store_bytes(slice.as_mut_ptr(), v) }
    }

    #[inline(always)]
    fn to_array(self, v: Self::V) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        // SAFETY: the array holds 16 floats.
        unsafe { self.store(lanes.as_mut_ptr(), v) };
        lanes
    }

    /// The sum of the lanes, halves folded onto each other.
    #[inline(always)]
    fn sum(self, v: Self::V) -> f32 {
        let mut lanes = self.to_array(v);
        for width in [8, 4, 2, 1] {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
        }
        lanes[0]
    }

    /// The largest lane.
    #[inline(always)]
    fn largest(self, v: Self::V) -> f32 {
        let lanes = self.to_array(v);
        let mut largest = lanes[0];
        for lane in lanes {
            if lane > largest {
                largest = lane;
            }
        }
        largest
    }
}

/// Writes `x [rows, columns]`, rows `ldx` apart, transposed to `y [columns, rows]`, rows `ldy` apart.
#[inline(always)]
pub(crate) fn turn<S: Simd>(
    s: S,
    (rows, columns): (usize, usize),
    (x, ldx): (&[f32], usize),
    (y, ldy): (&mut [f32], usize),
) {
    for row in (0..rows).step_by(LANES) {
        let height = LANES.min(rows - row);
        for column in (0..columns).step_by(LANES) {
            let width = LANES.min(columns - column);
            let mut square = [s.splat(0.0); LANES];
            for (i, line) in square.iter_mut().take(height).enumerate() {
                *line = s.read(&x[(row + i) * ldx + column..][..width], 0);
            }
            for (i, line) in s.transpose(square).into_iter().take(width).enumerate() {
                s.write(&mut y[(column + i) * ldy + row..][..height], 0, line);
            }
        }
    }
}

impl Level {
    /// Runs `kernel` at this level.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        assert!(self.is_supported(), "this CPU lacks {}", self.name());
        match self {
            Level::Portable => portable::Portable.vectorize(kernel),
            // SAFETY: the CPU was checked just above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::Avx2::new() }.vectorize(kernel),
            // SAFETY: the CPU was checked just above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::Avx512::new() }.vectorize(kernel),
            #[cfg(not(target_arch = "x86_64"))]
            Level::Avx2 | Level::Avx512 => unreachable!("only x86-64 supports these"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies every operation to fixed inputs and lists the results.
    struct Operations;

    impl Kernel for Operations {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<f32> {
            let a: Vec<f32> = (0..21).map(|i| i as f32 - 7.5).collect();
            let b: Vec<f32> = (0..21).map(|i| 3.0 - (i as f32) * 0.25).collect();
            let (va, vb) = (s.read(&a, 0), s.read(&b, 5));
            let tail = s.read(&a, 16);
            let magic = s.splat(12_582_912.0 - 3.0);
            let words: Vec<u16> = (0..32).map(|i| 0x3f80 + i * 8).collect();
            // SAFETY: 32 words.
            let (even, odd) = unsafe { s.load_bf16_pairs(words.as_ptr()) };
            let results = [
                s.add(va, vb),
                s.sub(va, vb),
                s.mul(va, vb),
                s.div(va, vb),
                s.max(va, vb),
                s.select_lt(va, vb, va, s.splat(9.0)),
                s.scale_pow2(va, magic),
                tail,
                even,
                odd,
            ];
            let mut out = vec![s.sum(va), s.largest(vb)];
            for v in results {
                out.extend(s.to_array(v));
            }
            let mut square = [va; 16];
            for (i, row) in square.iter_mut().enumerate() {
                *row = s.mul(va, s.splat(i as f32 + 2.0));
            }
            for row in s.transpose(square) {
                out.extend(s.to_array(row));
            }
            let mut part = vec![-1.0; 5];
            s.write(&mut part, 0, va);
            out.extend(part);
            out
        }
    }

    /// Rounding to integers and bytes, in and out of range.
    struct Rounding;

    impl Kernel for Rounding {
        type Output = (Vec<f32>, [u8; 34]);

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> (Vec<f32>, [u8; 34]) {
            let a: Vec<f32> = (0..16).map(|i| i as f32 - 7.5).collect();
            let (va, zero) = (s.read(&a, 0), s.splat(0.0));
            let results = [
                s.nearest(va),
                s.nearest(s.div(va, zero)),
                s.nearest(s.div(zero, zero)),
                s.nearest(s.mul(va, s.splat(1.0e6))),
                s.min(va, s.splat(2.0)),
                s.sqrt(s.mul(va, va)),
            ];
            let mut bytes = [0xff; 34];
            s.write_bytes(&mut bytes, 1, s.mul(va, s.splat(-20.0)));
            s.write_bytes(&mut bytes, 18, s.mul(va, s.splat(1e30)));
            let mut floats: Vec<f32> = results.into_iter().flat_map(|v| s.to_array(v)).collect();
            floats.extend(s.to_array(s.read_bytes(&bytes, 1)));
            (floats, bytes)
        }
    }

    #[test]
    fn every_level_rounds_the_same() {
        let expected = Level::Portable.run(Rounding);
        let (floats, bytes) = &expected;
        assert_eq!(floats[..6], [-8.0, -6.0, -6.0, -4.0, -4.0, -2.0]);
        assert_eq!(floats[16], -4_194_304.0, "infinity leaves no low bits");
        assert_eq!(floats[32..48], [0.0; 16], "NaN is zero");
        assert_eq!(floats[48 + 5], -2_500_000.0);
        assert_eq!(floats[64..80].iter().copied().fold(0.0, f32::max), 2.0);
        assert_eq!(floats[80..83], [7.5, 6.5, 5.5]);
        assert_eq!(bytes[..4], [0xff, 150, 130, 110]);
        assert_eq!((bytes[16], bytes[17]), (0_u8.wrapping_sub(150), 0xff));
        assert_eq!(bytes[18..], [0; 16], "what no i32 holds");
        assert!(floats[96..].iter().zip(&bytes[1..]).all(|(&x, &byte)| x == f32::from(byte)));
        for level in Level::supported() {
            assert_eq!(level.run(Rounding), expected, "{level:?}");
        }
    }

    struct Turn<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for Turn<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            turn(s, (19, 37), (self.0, 40), (self.1, 20));
        }
    }

    #[test]
    fn turn_transposes_and_writes_nothing_else() {
        let x: Vec<f32> = (0..19 * 40).map(|i| i as f32).collect();
        for level in Level::supported() {
            let mut y = vec![-1.0; 37 * 20];
            level.run(Turn(&x, &mut y));
            for (i, line) in y.chunks(20).enumerate() {
                assert!((0..19).all(|j| line[j] == x[j * 40 + i]), "{level:?}");
                assert_eq!(line[19], -1.0);
            }
        }
    }

    #[test]
    fn every_level_computes_the_same() {
        let expected = Level::Portable.run(Operations);
        assert_eq!(expected[0], 0.0);
        assert_eq!(&expected[2 + 7 * 16..][..6], [8.5, 9.5, 10.5, 11.5, 12.5, 0.0]);
        assert_eq!(expected[2 + 8 * 16 + 1], f32::from_bits((0x3f80 + 16) << 16));
        assert_eq!(expected[2 + 6 * 16], -7.5 / 8.0);
        // Vector `i` of the square is `a * (i + 2)`.
        for (lane, column) in expected[2 + 10 * 16..2 + 26 * 16].chunks(16).enumerate() {
            for (i, x) in column.iter().enumerate() {
                assert_eq!(*x, (lane as f32 - 7.5) * (i as f32 + 2.0));
            }
        }
        for level in Level::supported() {
            assert_eq!(level.run(Operations), expected, "{level:?}");
        }
    }
}
