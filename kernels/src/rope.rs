//! Rotary position embedding, half-split as Hugging Face's `rotate_half`.

use crate::level::Level;
use crate::parallel::{Spread, for_each_part};
use crate::simd::{Kernel, LANES, Simd};

/// Rows of one work item.
const CHUNK: usize = 16;

/// Which way to rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// By the angle.
    Forward,
    /// By the negative angle: the gradient of the forward rotation.
    Backward,
}

/// Rotates every head of `x [rows, heads, head_dim]` in place: the pair `(x[i], x[i + d/2])` turns
/// by the angle whose cosine and sine are element `i` of the row's `cos` and `sin`
/// (`[rows, head_dim / 2]`, any scaling of the angles included).
///
/// # Panics
/// When `head_dim` is odd or a slice does not have the length its shape asks for.
pub fn rope(
    x: &mut [f32],
    heads: usize,
    head_dim: usize,
    cos: &[f32],
    sin: &[f32],
    direction: Direction,
) {
    rope_at(Level::active(), x, (heads, head_dim), (cos, sin), direction);
}

fn rope_at(
    level: Level,
    x: &mut [f32],
    (heads, head_dim): (usize, usize),
    (cos, sin): (&[f32], &[f32]),
    direction: Direction,
) {
    assert!(head_dim.is_multiple_of(2), "a head of {head_dim} elements has no halves");
    let (row, half) = (heads * head_dim, head_dim / 2);
    if x.is_empty() {
        return;
    }
    assert!(row > 0 && x.len().is_multiple_of(row), "{} elements are not rows of {row}", x.len());
    let rows = x.len() / row;
    assert_eq!(cos.len(), rows * half, "cosines: {rows} rows of {half}");
    assert_eq!(sin.len(), rows * half, "sines: {rows} rows of {half}");
    let run = |x: &mut [f32], cos: &[f32], sin: &[f32]| {
        level.run(Rotate { x, row, half, cos, sin, direction });
    };
    let angles = cos.chunks(CHUNK * half).zip(sin.chunks(CHUNK * half));
    let parts = x.chunks_mut(CHUNK * row).zip(angles);
    let spread = Spread::for_work(rows * row * 4);
    for_each_part(parts, spread, |(x, (cos, sin))| run(x, cos, sin));
}

struct Rotate<'a> {
    x: &'a mut [f32],
    row: usize,
    half: usize,
    cos: &'a [f32],
    sin: &'a [f32],
    direction: Direction,
}

impl Kernel for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let sign = s.splat(if self.direction == Direction::Forward { 1.0 } else { -1.0 });
        let angles = self.cos.chunks_exact(self.half).zip(self.sin.chunks_exact(self.half));
        for (row, (cos, sin)) in self.x.chunks_exact_mut(self.row).zip(angles) {
            for head in row.chunks_exact_mut(2 * self.half) {
                let (left, right) = head.split_at_mut(self.half);
                for at in (0..self.half).step_by(LANES) {
                    let (a, b) = (s.read(left, at), s.read(right, at));
                    let (cos, sin) = (s.read(cos, at), s.mul(s.read(sin, at), sign));
                    s.write(left, at, s.sub(s.mul(a, cos), s.mul(b, sin)));
                    s.write(right, at, s.fma(b, cos, s.mul(a, sin)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, assert_close};

    fn naive(x: &[f32], (heads, d): (usize, usize), (cos, sin): (&[f32], &[f32])) -> Vec<f64> {
        let rotate = |at: usize| {
            let (i, head, row) = (at % d, at - at % d, at / (heads * d));
            let angle = row * (d / 2) + i % (d / 2);
            let (cos, sin) = (f64::from(cos[angle]), f64::from(sin[angle]));
            let other = f64::from(x[head + (i + d / 2) % d]);
            let other = if i < d / 2 { -other } else { other };
            f64::from(x[at]) * cos + other * sin
        };
        (0..x.len()).map(rotate).collect()
    }

    #[test]
    fn rotates_pairs_and_back() {
        for level in Level::supported() {
            for (rows, heads, d) in [(1, 1, 2), (3, 2, 20), (5, 3, 64), (200, 14, 80)] {
                let mut random = Random::new(d as u64);
                let x = random.floats(rows * heads * d);
                let angles = random.floats(rows * d / 2);
                let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
                let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
                let expected = naive(&x, (heads, d), (&cos, &sin));
                let mut y = x.clone();
                rope_at(level, &mut y, (heads, d), (&cos, &sin), Direction::Forward);
                assert_close(&y, &expected, 1e-6);
                rope_at(level, &mut y, (heads, d), (&cos, &sin), Direction::Backward);
                let back: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                assert_close(&y, &back, 1e-6);
            }
        }
    }
}
