//! Root-mean-square normalisation, forward and backward.

use crate::level::Level;
use crate::parallel::{Spread, for_each_part};
use crate::simd::{Kernel, LANES, Simd};

/// Elements of one work item.
const CHUNK: usize = 1 << 14;

/// `out = x / sqrt(mean(x²) + eps) * weight` for every row of `weight.len()` elements.
///
/// # Panics
/// When `x` and `out` differ in length or are not whole rows.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    rms_norm_at(Level::active(), x, weight, eps, out);
}

fn rms_norm_at(level: Level, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "input and output have one length");
    let Some(chunk) = chunk_len(x.len(), weight.len()) else { return };
    let run = |x: &[f32], out: &mut [f32]| level.run(Forward { x, weight, eps, out });
    let parts = x.chunks(chunk).zip(out.chunks_mut(chunk));
    for_each_part(parts, Spread::for_work(x.len() * 4), |(x, out)| run(x, out));
}

/// The gradients of [`rms_norm`]: `dx` is overwritten, `dweight` (when asked for) added to.
///
/// With `r = 1 / sqrt(mean(x²) + eps)`, `g = dy * weight` and `w` the width:
/// `dx = r * g - x * r³ / w * sum(g * x)` and `dweight += sum over rows of dy * x * r`.
///
/// # Panics
/// When slices differ in length or are not whole rows.
pub fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    eps: f32,
    dy: &[f32],
    dx: &mut [f32],
    dweight: Option<&mut [f32]>,
) {
    backward_at(Level::active(), (x, weight, eps), dy, dx, dweight);
}

fn backward_at(
    level: Level,
    (x, weight, eps): (&[f32], &[f32], f32),
    dy: &[f32],
    dx: &mut [f32],
    dweight: Option<&mut [f32]>,
) {
    assert_eq!(x.len(), dy.len(), "input and output gradient have one length");
    assert_eq!(x.len(), dx.len(), "input and input gradient have one length");
    let Some(chunk) = chunk_len(x.len(), weight.len()) else { return };
    let run = |x: &[f32], dy: &[f32], dx: &mut [f32]| {
        level.run(Backward { x, weight, eps, dy, dx });
    };
    let parts = x.chunks(chunk).zip(dy.chunks(chunk)).zip(dx.chunks_mut(chunk));
    for_each_part(parts, Spread::for_work(x.len() * 8), |((x, dy), dx)| run(x, dy, dx));
    if let Some(dweight) = dweight {
        assert_eq!(dweight.len(), weight.len(), "a weight's gradient is as long as the weight");
        level.run(WeightGradient { x, eps, dy, dweight });
    }
}

/// Elements of a work item in whole rows, or none when there is nothing to do.
fn chunk_len(len: usize, width: usize) -> Option<usize> {
    if len == 0 {
        return None;
    }
    assert!(width > 0 && len.is_multiple_of(width), "{len} elements are not rows of {width}");
    Some((CHUNK / width).max(1) * width)
}

/// `1 / sqrt(mean(x²) + eps)`.
#[inline(always)]
fn inverse_rms<S: Simd>(s: S, x: &[f32], eps: f32) -> f32 {
    let squares = dot(s, x, x);
    1.0 / (squares / x.len() as f32 + eps).sqrt()
}

/// `sum(a * b)`: four vectors of partial sums, element `i` in lane `i % 64`.
#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [s.splat(0.0); 4];
    for (a, b) in a.chunks(4 * LANES).zip(b.chunks(4 * LANES)) {
        for (i, at) in (0..a.len()).step_by(LANES).enumerate() {
            sums[i] = s.fma(s.read(a, at), s.read(b, at), sums[i]);
        }
    }
    s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

struct Forward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.weight.len();
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            let scale = s.splat(inverse_rms(s, x, self.eps));
            for at in (0..width).step_by(LANES) {
                let normed = s.mul(s.read(x, at), scale);
                s.write(out, at, s.mul(normed, s.read(self.weight, at)));
            }
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.weight.len();
        let rows = self.x.chunks_exact(width).zip(self.dy.chunks_exact(width));
        for ((x, dy), dx) in rows.zip(self.dx.chunks_exact_mut(width)) {
            let inverse = inverse_rms(s, x, self.eps);
            for at in (0..width).step_by(LANES) {
                s.write(dx, at, s.mul(s.read(dy, at), s.read(self.weight, at)));
            }
            let along = dot(s, dx, x) * inverse * inverse * inverse / width as f32;
            let (inverse, along) = (s.splat(inverse), s.splat(-along));
            for at in (0..width).step_by(LANES) {
                let straight = s.mul(s.read(dx, at), inverse);
                let value = s.fma(s.read(x, at), along, straight);
                s.write(dx, at, value);
            }
        }
    }
}

struct WeightGradient<'a> {
    x: &'a [f32],
    eps: f32,
    dy: &'a [f32],
    dweight: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.dweight.len();
        for (x, dy) in self.x.chunks_exact(width).zip(self.dy.chunks_exact(width)) {
            let scale = s.splat(inverse_rms(s, x, self.eps));
            for at in (0..width).step_by(LANES) {
                let normed = s.mul(s.read(x, at), scale);
                let sum = s.fma(s.read(dy, at), normed, s.read(self.dweight, at));
                s.write(self.dweight, at, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, assert_close, assert_gradient};

    fn naive(x: &[f64], weight: &[f64], eps: f64) -> Vec<f64> {
        x.chunks(weight.len())
            .flat_map(|row| {
                let mean = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
                let scale = 1.0 / (mean + eps).sqrt();
                row.iter().zip(weight).map(move |(x, w)| x * scale * w)
            })
            .collect()
    }

    #[test]
    fn equals_the_formula_for_any_width() {
        for level in Level::supported() {
            for (rows, width) in [(3, 1), (2, 7), (5, 64), (2, 80), (400, 896)] {
                let mut random = Random::new(width as u64);
                let (x, weight) = (random.floats(rows * width), random.floats(width));
                let mut out = vec![0.0; x.len()];
                rms_norm_at(level, &x, &weight, 1e-6, &mut out);
                let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
                assert_close(&out, &naive(&wide(&x), &wide(&weight), 1e-6), 2e-6);
                let mut alone = vec![0.0; width];
                rms_norm_at(level, &x[width..2 * width], &weight, 1e-6, &mut alone);
                assert_eq!(alone, out[width..2 * width]);
            }
        }
    }

    #[test]
    fn gradients_equal_finite_differences() {
        for level in Level::supported() {
            for width in [7, 48] {
                let mut random = Random::new(5);
                let (x, weight) = (random.floats(3 * width), random.floats(width));
                let dy = random.floats(3 * width);
                let (mut dx, mut dweight) = (vec![9.0; 3 * width], vec![0.25; width]);
                backward_at(level, (&x, &weight, 1e-5), &dy, &mut dx, Some(&mut dweight));
                dweight.iter_mut().for_each(|g| *g -= 0.25);
                let wide: Vec<f64> = weight.iter().map(|&x| f64::from(x)).collect();
                assert_gradient(&x, &dy, &dx, |x| naive(x, &wide, 1e-5));
                let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                assert_gradient(&weight, &dy, &dweight, |w| naive(&wide, w, 1e-5));
            }
        }
    }
}
