//! The portable level: arrays that the compiler vectorises with whatever the target always has.

use super::{Kernel, LANES, MAGIC, MANTISSA, Simd};

/// Needs nothing of the CPU.
#[derive(Clone, Copy)]
pub(super) struct Portable;

type V = [f32; LANES];

#[inline(always)]
fn zip(a: V, b: V, op: impl Fn(f32, f32) -> f32) -> V {
    let mut out = [0.0; LANES];
    for i in 0..LANES {
        out[i] = op(a[i], b[i]);
    }
    out
}

impl Simd for Portable {
    type V = V;
    const ROWS: usize = 2;
    const ACCUMULATORS: usize = 2;

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [x; LANES]
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        self.add(self.mul(a, b), c)
    }

    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn sqrt(self, a: V) -> V {
        zip(a, a, |a, _| a.sqrt())
    }

    #[inline(always)]
    fn nearest(self, a: V) -> V {
        zip(a, a, |a, _| {
            let mantissa = (a + MAGIC).to_bits() & MANTISSA.cast_unsigned();
            f32::from_bits(mantissa | 0x4b00_0000) - MAGIC
        })
    }

    #[inline(always)]
    fn select_lt(self, a: V, b: V, yes: V, no: V) -> V {
        let mut out = [0.0; LANES];
        for i in 0..LANES {
            out[i] = if a[i] < b[i] { yes[i] } else { no[i] };
        }
        out
    }

    #[inline(always)]
    fn scale_pow2(self, x: V, magic: V) -> V {
        zip(x, magic, |x, m| f32::from_bits(x.to_bits().wrapping_add(m.to_bits() << 23)))
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V {
        // SAFETY: the caller vouches for 16 floats.
        unsafe { p.cast::<V>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, count: usize) -> V {
        let mut out = [0.0; LANES];
        // SAFETY: the caller vouches for `count <= 16` floats.
        unsafe { std::ptr::copy_nonoverlapping(p, out.as_mut_ptr(), count) };
        out
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: V) {
        // SAFETY: the caller vouches for 16 floats.
        unsafe { p.cast::<V>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, v: V, count: usize) {
        // SAFETY: the caller vouches for `count <= 16` floats.
        unsafe { std::ptr::copy_nonoverlapping(v.as_ptr(), p, count) }
    }

    #[inline(always)]
    unsafe fn load_bytes(self, p: *const u8) -> V {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { p.cast::<[u8; LANES]>().read_unaligned() }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, v: V) {
        let mut bytes = [0; LANES];
        for i in 0..LANES {
            // Values that no `i32` holds, and NaN, have a low byte of 0 (as `i32::MIN` has).
            bytes[i] = if v[i].abs() < 2_147_483_648.0 { v[i] as i32 as u8 } else { 0 };
        }
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { p.cast::<[u8; LANES]>().write_unaligned(bytes) }
    }

    #[inline(always)]
    unsafe fn load_bf16_pairs(self, p: *const u16) -> (V, V) {
        // SAFETY: the caller vouches for 32 values.
        let words = unsafe { p.cast::<[[u16; 2]; LANES]>().read_unaligned() };
        let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
        for i in 0..LANES {
            first[i] = f32::from_bits(u32::from(words[i][0]) << 16);
            second[i] = f32::from_bits(u32::from(words[i][1]) << 16);
        }
        (first, second)
    }

    #[inline(always)]
    fn transpose(self, rows: [V; LANES]) -> [V; LANES] {
        let mut out = [[0.0; LANES]; LANES];
        for (i, out) in out.iter_mut().enumerate() {
            for (x, row) in out.iter_mut().zip(&rows) {
                *x = row[i];
            }
        }
        out
    }

    #[inline(always)]
    fn prefetch(self, _: *const u8) {}
}
