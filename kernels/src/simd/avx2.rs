//! AVX2 with FMA: two ymm registers a vector, lane for lane as one zmm.

use std::arch::x86_64::{
    __m256, __m256i, _CMP_LT_OQ, _MM_HINT_T0, _mm_loadu_si128, _mm_packus_epi16, _mm_prefetch,
    _mm_srli_si128, _mm_storeu_si128, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256,
    _mm256_blendv_ps, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_castsi256_si128,
    _mm256_cmp_ps, _mm256_cmpgt_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32,
    _mm256_cvttps_epi32, _mm256_div_ps, _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_max_ps, _mm256_min_ps,
    _mm256_mul_ps, _mm256_or_si256, _mm256_packus_epi32, _mm256_permute2f128_ps,
    _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32,
    _mm256_shuffle_ps, _mm256_slli_epi32, _mm256_sqrt_ps, _mm256_storeu_ps, _mm256_sub_ps,
    _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

use super::{Kernel, LANES, MAGIC, MANTISSA, Simd};

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The CPU must have AVX2 and FMA.
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

/// # Safety
/// The CPU must have the features named.
#[inline(never)] // one register allocation for each kernel
#[target_feature(enable = "avx2,fma")]
unsafe fn with_features<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
    kernel.run(simd)
}

/// The masks of the first `count <= 16` lanes, for the lower and the upper half.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn first(count: usize) -> (__m256i, __m256i) {
    // SAFETY: the caller vouches for AVX2.
    unsafe {
        let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let low = _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lane);
        (low, _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32 - 8), lane))
    }
}

/// Transposes 4 x 4 squares within the 128-bit lanes, then the 2 x 2 square of lanes.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn transpose(rows: [__m256; 8]) -> [__m256; 8] {
    let (mut squares, mut out) = (rows, rows);
    for i in [0, 4] {
        let [a, b, c, d] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
        // SAFETY: the caller vouches for AVX2.
        unsafe {
            let (ab, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            squares[i] = _mm256_shuffle_ps::<0x44>(ab, cd);
            squares[i + 1] = _mm256_shuffle_ps::<0xee>(ab, cd);
            squares[i + 2] = _mm256_shuffle_ps::<0x44>(ab_high, cd_high);
            squares[i + 3] = _mm256_shuffle_ps::<0xee>(ab_high, cd_high);
        }
    }
    for i in 0..4 {
        // SAFETY: the caller vouches for AVX2.
        unsafe {
            out[i] = _mm256_permute2f128_ps::<0x20>(squares[i], squares[i + 4]);
            out[i + 4] = _mm256_permute2f128_ps::<0x31>(squares[i], squares[i + 4]);
        }
    }
    out
}

/// See [`Simd::nearest`].
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn nearest(a: __m256) -> __m256 {
    // SAFETY: the caller vouches for AVX2.
    unsafe {
        let magic = _mm256_set1_ps(MAGIC);
        let sum = _mm256_castps_si256(_mm256_add_ps(a, magic));
        let mantissa = _mm256_and_si256(sum, _mm256_set1_epi32(MANTISSA));
        let bits = _mm256_or_si256(mantissa, _mm256_set1_epi32(0x4b00_0000));
        _mm256_sub_ps(_mm256_castsi256_ps(bits), magic)
    }
}

impl Simd for Avx2 {
    type V = (__m256, __m256);
    const ROWS: usize = 6;
    const ACCUMULATORS: usize = 6;

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves the features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (_mm256_set1_ps(x), _mm256_set1_ps(x)) }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)) }
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (_mm256_sqrt_ps(a.0), _mm256_sqrt_ps(a.1)) }
    }

    #[inline(always)]
    fn nearest(self, a: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe { (nearest(a.0), nearest(a.1)) }
    }

    #[inline(always)]
    fn select_lt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe {
            let low = _mm256_cmp_ps::<_CMP_LT_OQ>(a.0, b.0);
            let high = _mm256_cmp_ps::<_CMP_LT_OQ>(a.1, b.1);
            (_mm256_blendv_ps(no.0, yes.0, low), _mm256_blendv_ps(no.1, yes.1, high))
        }
    }

    #[inline(always)]
    fn scale_pow2(self, x: Self::V, magic: Self::V) -> Self::V {
        // SAFETY: `self` proves the features.
        unsafe {
            let low = _mm256_slli_epi32::<23>(_mm256_castps_si256(magic.0));
            let high = _mm256_slli_epi32::<23>(_mm256_castps_si256(magic.1));
            let low = _mm256_add_epi32(_mm256_castps_si256(x.0), low);
            let high = _mm256_add_epi32(_mm256_castps_si256(x.1), high);
            (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high))
        }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::V {
        // SAFETY: the caller vouches for 16 floats.
        unsafe { (_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))) }
    }

    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, count: usize) -> Self::V {
        // SAFETY: masked lanes are not touched; the caller vouches for the others.
        unsafe {
            let (low, high) = first(count);
            (_mm256_maskload_ps(p, low), _mm256_maskload_ps(p.wrapping_add(8), high))
        }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Self::V) {
        // SAFETY: the caller vouches for 16 floats.
        unsafe {
            _mm256_storeu_ps(p, v.0);
            _mm256_storeu_ps(p.add(8), v.1);
        }
    }

    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, v: Self::V, count: usize) {
        // SAFETY: masked lanes are not touched; the caller vouches for the others.
        unsafe {
            let (low, high) = first(count);
            _mm256_maskstore_ps(p, low, v.0);
            _mm256_maskstore_ps(p.wrapping_add(8), high, v.1);
        }
    }

    #[inline(always)]
    unsafe fn load_bytes(self, p: *const u8) -> Self::V {
        // SAFETY: the caller vouches for 16 bytes; `self` proves the features.
        unsafe {
            let bytes = _mm_loadu_si128(p.cast());
            let low = _mm256_cvtepu8_epi32(bytes);
            let high = _mm256_cvtepu8_epi32(_mm_srli_si128::<8>(bytes));
            (_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high))
        }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, v: Self::V) {
        // SAFETY: the caller vouches for 16 bytes; `self` proves the features.
        unsafe {
            let byte = _mm256_set1_epi32(0xff);
            let low = _mm256_and_si256(_mm256_cvttps_epi32(v.0), byte);
            let high = _mm256_and_si256(_mm256_cvttps_epi32(v.1), byte);
            // Packing works within 128-bit lanes; the permutation puts their quarters in order.
            let words = _mm256_permute4x64_epi64::<0xd8>(_mm256_packus_epi32(low, high));
            let (a, b) = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(p.cast(), _mm_packus_epi16(a, b));
        }
    }

    #[inline(always)]
    unsafe fn load_bf16_pairs(self, p: *const u16) -> (Self::V, Self::V) {
        // SAFETY: the caller vouches for 32 values; `self` proves the features.
        unsafe {
            let mask = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            let low = _mm256_loadu_si256(p.cast());
            let high = _mm256_loadu_si256(p.add(16).cast());
            let even = (
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(low)),
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high)),
            );
            let odd = (
                _mm256_castsi256_ps(_mm256_and_si256(low, mask)),
                _mm256_castsi256_ps(_mm256_and_si256(high, mask)),
            );
            (even, odd)
        }
    }

    #[inline(always)]
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES] {
        let mut out = rows;
        for half in [0, 8] {
            let (mut low, mut high) = ([rows[0].0; 8], [rows[0].0; 8]);
            for i in 0..8 {
                (low[i], high[i]) = rows[half + i];
            }
            // SAFETY: `self` proves the features.
            (low, high) = unsafe { (transpose(low), transpose(high)) };
            for i in 0..8 {
                if half == 0 {
                    (out[i].0, out[8 + i].0) = (low[i], high[i]);
                } else {
                    (out[i].1, out[8 + i].1) = (low[i], high[i]);
                }
            }
        }
        out
    }

    #[inline(always)]
    fn prefetch(self, p: *const u8) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
}
