//! AVX-512F: one zmm register a vector.

use std::arch::x86_64::{
    __m512, _CMP_LT_OQ, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_storeu_si128,
    _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cmp_ps_mask, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32,
    _mm512_cvttps_epi32, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mask_blend_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps,
    _mm512_min_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_shuffle_f32x4,
    _mm512_shuffle_ps, _mm512_slli_epi32, _mm512_sqrt_ps, _mm512_storeu_ps, _mm512_sub_ps,
    _mm512_ternarylogic_epi32, _mm512_unpackhi_ps, _mm512_unpacklo_ps,
};

use super::{Kernel, LANES, MAGIC, MANTISSA, Simd};

/// Proof that the CPU has AVX-512F, AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The CPU must have AVX-512F, AVX2 and FMA.
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

/// # Safety
/// The CPU must have the features named.
#[inline(never)] // one register allocation for each kernel
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn with_features<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
    kernel.run(simd)
}

/// The mask of the first `count <= 16` lanes.
#[inline(always)]
fn first(count: usize) -> u16 {
    ((1_u32 << count) - 1) as u16
}

/// Transposes 4 x 4 squares within the 128-bit lanes, then the 4 x 4 square of lanes.
///
/// # Safety
/// The CPU must have AVX-512F.
#[inline(always)]
unsafe fn transpose(rows: [__m512; LANES]) -> [__m512; LANES] {
    let (mut squares, mut out) = (rows, rows);
    for i in (0..LANES).step_by(4) {
        let [a, b, c, d] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
        // SAFETY: the caller vouches for AVX-512F.
        unsafe {
            let (ab, ab_high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let (cd, cd_high) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            squares[i] = _mm512_shuffle_ps::<0x44>(ab, cd);
            squares[i + 1] = _mm512_shuffle_ps::<0xee>(ab, cd);
            squares[i + 2] = _mm512_shuffle_ps::<0x44>(ab_high, cd_high);
            squares[i + 3] = _mm512_shuffle_ps::<0xee>(ab_high, cd_high);
        }
    }
    for i in 0..4 {
        let [a, b, c, d] = [squares[i], squares[i + 4], squares[i + 8], squares[i + 12]];
        // SAFETY: the caller vouches for AVX-512F.
        unsafe {
            let (ab, ab_high) =
                (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
            let (cd, cd_high) =
                (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
            out[i] = _mm512_shuffle_f32x4::<0x88>(ab, cd);
            out[i + 8] = _mm512_shuffle_f32x4::<0xdd>(ab, cd);
            out[i + 4] = _mm512_shuffle_f32x4::<0x88>(ab_high, cd_high);
            out[i + 12] = _mm512_shuffle_f32x4::<0xdd>(ab_high, cd_high);
        }
    }
    out
}

impl Simd for Avx512 {
    type V = __m512;
    const ROWS: usize = 12;
    const ACCUMULATORS: usize = 24;

    #[inline(always)]
    fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves the features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_sqrt_ps(a) }
    }

    #[inline(always)]
    fn nearest(self, a: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe {
            let sum = _mm512_castps_si512(_mm512_add_ps(a, _mm512_set1_ps(MAGIC)));
            let (mantissa, exponent) =
                (_mm512_set1_epi32(MANTISSA), _mm512_set1_epi32(0x4b00_0000));
            // (sum & mantissa) | exponent: 2^23 and the 23 bits of the sum.
            let bits = _mm512_ternarylogic_epi32::<0xea>(sum, mantissa, exponent);
            _mm512_sub_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(MAGIC))
        }
    }

    #[inline(always)]
    fn select_lt(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes) }
    }

    #[inline(always)]
    fn scale_pow2(self, x: __m512, magic: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(magic));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), exponent))
        }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: the caller vouches for 16 floats.
        unsafe { _mm512_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, count: usize) -> __m512 {
        // SAFETY: masked lanes are not touched; the caller vouches for the others.
        unsafe { _mm512_maskz_loadu_ps(first(count), p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        // SAFETY: the caller vouches for 16 floats.
        unsafe { _mm512_storeu_ps(p, v) }
    }

    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, v: __m512, count: usize) {
        // SAFETY: masked lanes are not touched; the caller vouches for the others.
        unsafe { _mm512_mask_storeu_ps(p, first(count), v) }
    }

    #[inline(always)]
    unsafe fn load_bytes(self, p: *const u8) -> __m512 {
        // SAFETY: the caller vouches for 16 bytes; `self` proves the features.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()))) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, v: __m512) {
        // SAFETY: the caller vouches for 16 bytes; `self` proves the features.
        unsafe { _mm_storeu_si128(p.cast(), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v))) }
    }

    #[inline(always)]
    unsafe fn load_bf16_pairs(self, p: *const u16) -> (__m512, __m512) {
        // SAFETY: the caller vouches for 32 values; `self` proves the features.
        unsafe {
            let words = _mm512_loadu_si512(p.cast());
            let high = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            let even = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words));
            (even, _mm512_castsi512_ps(_mm512_and_si512(words, high)))
        }
    }

    #[inline(always)]
    fn transpose(self, rows: [__m512; LANES]) -> [__m512; LANES] {
        // SAFETY: `self` proves the features.
        unsafe { transpose(rows) }
    }

    #[inline(always)]
    fn prefetch(self, p: *const u8) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
}
