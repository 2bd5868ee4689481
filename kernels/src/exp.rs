//! `e^x` on vectors: within 2 units in the last place, the same bits on AVX2 and AVX-512.
//! Results below 2^-126 are zero, above 3.4026e38 infinite; NaN stays NaN.

use crate::simd::Simd;

/// Adding and subtracting this rounds to the nearest integer.
const MAGIC: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has few enough bits for its multiples to be exact.
const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Minimax polynomial of `(e^r - 1 - r) / r^2` on |r| <= ln 2 / 2 (Cephes `expf`), highest first.
const POLYNOMIAL: [f32; 6] =
    [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.500_000_1];
/// ln of the smallest normal float, rounded up.
const LOWEST: f32 = -87.336_54;
/// A little under ln of the largest float, so that the polynomial stays below 1 there.
const HIGHEST: f32 = 88.7228;

#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let magic = s.splat(MAGIC);
    let shifted = s.fma(x, s.splat(std::f32::consts::LOG2_E), magic);
    let n = s.sub(shifted, magic);
    let r = s.fma(n, s.splat(-LN2[0]), x);
    let r = s.fma(n, s.splat(-LN2[1]), r);
    let mut p = s.splat(POLYNOMIAL[0]);
    for &coefficient in &POLYNOMIAL[1..] {
        p = s.fma(p, r, s.splat(coefficient));
    }
    let p = s.add(s.fma(p, s.mul(r, r), r), s.splat(1.0));
    let y = s.scale_pow2(p, shifted);
    let y = s.select_lt(x, s.splat(LOWEST), s.splat(0.0), y);
    s.select_lt(s.splat(HIGHEST), x, s.splat(f32::INFINITY), y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::simd::Kernel;

    struct Exp<'a>(&'a [f32]);

    impl Kernel for Exp<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<f32> {
            let mut out = vec![0.0; self.0.len()];
            for at in (0..out.len()).step_by(16) {
                s.write(&mut out, at, exp(s, s.read(self.0, at)));
            }
            out
        }
    }

    #[test]
    fn within_two_units_everywhere_and_exact_at_the_ends() {
        let mut x: Vec<f32> = (-873_365..=887_227).map(|i| i as f32 * 1e-4).collect();
        x.extend([LOWEST, HIGHEST, 0.0, -0.0, 1e-30, -1e-8]);
        for level in Level::supported() {
            let mut worst = 0.0_f64;
            for (&x, &y) in x.iter().zip(&level.run(Exp(&x))) {
                let exact = f64::from(x).exp();
                let unit = f64::from(y.next_up()) - f64::from(y);
                worst = worst.max((f64::from(y) - exact).abs() / unit);
                assert!((f64::from(y) - exact).abs() <= 2.0 * unit, "{level:?} {x}: {y} {exact}");
            }
            assert!(worst > 0.1, "the comparison compares nothing");
            let ends = [f32::NEG_INFINITY, -87.4, -1e30, 88.73, 1e30, f32::INFINITY, 0.0];
            let expected = [0.0, 0.0, 0.0, f32::INFINITY, f32::INFINITY, f32::INFINITY, 1.0];
            assert_eq!(level.run(Exp(&ends)), expected, "{level:?}");
            assert!(level.run(Exp(&[f32::NAN]))[0].is_nan());
        }
    }

    #[test]
    fn avx2_and_avx512_agree_to_the_bit() {
        if Level::Avx512.is_supported() {
            let x: Vec<f32> = (0..100_001).map(|i| (i as f32).sin() * 90.0).collect();
            assert_eq!(Level::Avx2.run(Exp(&x)), Level::Avx512.run(Exp(&x)));
        }
    }
}
