//! Low-rank changes of different adapters to rows of one batch: shrink to the rank, expand, add.

use std::ops::Range;

use crate::level::Level;
use crate::matmul::{Finish, Job, run};
use crate::pack::PackedMatrix;
use crate::parallel::SharedMut;
use crate::scratch::Scratch;

/// Consecutive rows that wear one adapter at one site.
pub struct LoraSegment<'a> {
    /// Rows of the batch; segments must not overlap.
    pub rows: Range<usize>,
    /// `A [r, k]`.
    pub a: &'a PackedMatrix,
    /// `B [n, r]`.
    pub b: &'a PackedMatrix,
    /// Multiplies `B·A·x`.
    pub scale: f32,
}

/// `y[rows] += scale * ((x[rows] · Aᵀ) · Bᵀ)` for every segment, with `x [_, k]` and `y [_, n]`.
///
/// Two parallel passes, whatever the number of segments: all shrinks, then all expansions.
///
/// # Panics
/// When shapes disagree or segments are not in ascending order without overlap.
pub fn lora(x: &[f32], k: usize, y: &mut [f32], n: usize, segments: &[LoraSegment]) {
    lora_at(Level::active(), (x, k), (y, n), segments);
}

pub(crate) fn lora_at(
    level: Level,
    (x, k): (&[f32], usize),
    (y, n): (&mut [f32], usize),
    segments: &[LoraSegment],
) {
    check(segments, (x.len(), k), (y.len(), n));
    let mut shrunk: Vec<Scratch> = segments
        .iter()
        .map(|segment| Scratch::take(segment.rows.len() * segment.a.rows()))
        .collect();
    let shrinks: Vec<Job> = (segments.iter().zip(&mut shrunk))
        .map(|(segment, z)| {
            let Range { start, end } = segment.rows;
            let (x, y) = (&x[start * k..end * k], SharedMut::new(z));
            Job { x, rows: end - start, weight: segment.a, y, finish: Finish::Store }
        })
        .collect();
    run(level, &shrinks);
    let expansions: Vec<Job> = (segments.iter().zip(&shrunk))
        .map(|(segment, x)| {
            let Range { start, end } = segment.rows;
            let (y, finish) =
                (SharedMut::new(&mut y[start * n..end * n]), Finish::AddScaled(segment.scale));
            Job { x, rows: end - start, weight: segment.b, y, finish }
        })
        .collect();
    run(level, &expansions);
}

fn check(segments: &[LoraSegment], (x_len, k): (usize, usize), (y_len, n): (usize, usize)) {
    let mut free = 0;
    for LoraSegment { rows, a, b, .. } in segments {
        assert!(rows.start >= free && rows.start <= rows.end, "segments ascend, without overlap");
        free = rows.end;
        assert_eq!(a.cols(), k, "A has a column for every input");
        assert_eq!(b.rows(), n, "B has a row for every output");
        assert_eq!(a.rows(), b.cols(), "A has as many rows as B has columns: the rank");
    }
    assert!(x_len >= free * k, "{free} rows of {k} inputs, found {x_len} elements");
    assert!(y_len >= free * n, "{free} rows of {n} outputs, found {y_len} elements");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, assert_close, naive_matmul};

    /// y after a batch with the given row counts, and the segments' naive results.
    fn check_case(level: Level, counts: &[usize], (k, n, r): (usize, usize, usize)) {
        let mut random = Random::new(7);
        let rows: usize = counts.iter().sum::<usize>() + 1;
        let (x, start) = (random.floats(rows * k), random.floats(rows * n));
        let weights: Vec<_> =
            counts.iter().map(|_| (random.bf16_floats(r * k), random.bf16_floats(n * r))).collect();
        let packed: Vec<_> = weights
            .iter()
            .map(|(a, b)| (PackedMatrix::pack_f32(a, r, k), PackedMatrix::pack_f32(b, n, r)))
            .collect();
        let mut first = 1;
        let mut segments = Vec::new();
        for (count, (a, b)) in counts.iter().zip(&packed) {
            segments.push(LoraSegment { rows: first..first + count, a, b, scale: 0.5 });
            first += count;
        }
        let mut y = start.clone();
        lora_at(level, (&x, k), (&mut y, n), &segments);
        assert_eq!(y[..n], start[..n], "a row outside every segment stays as it is");
        for (segment, (a, b)) in segments.iter().zip(&weights) {
            let rows = segment.rows.clone();
            let z = naive_matmul(&x[rows.start * k..rows.end * k], a, (rows.len(), r, k));
            let z: Vec<f32> = z.iter().map(|&z| z as f32).collect();
            let delta = naive_matmul(&z, b, (rows.len(), n, r));
            let before = &start[rows.start * n..rows.end * n];
            let expected: Vec<f64> =
                before.iter().zip(delta).map(|(&y, d)| f64::from(y) + 0.5 * d).collect();
            assert_close(&y[rows.start * n..rows.end * n], &expected, 2e-6);
        }
        // Each row alone has the same bits.
        for segment in &segments {
            for row in segment.rows.clone() {
                let mut alone = start[row * n..(row + 1) * n].to_vec();
                let one = LoraSegment { rows: 0..1, ..*segment };
                lora_at(level, (&x[row * k..(row + 1) * k], k), (&mut alone, n), &[one]);
                assert_eq!(alone, y[row * n..(row + 1) * n], "row {row}");
            }
        }
    }

    #[test]
    fn equals_the_formula_and_does_not_depend_on_the_batch() {
        for level in Level::supported() {
            check_case(level, &[1], (7, 17, 1));
            check_case(level, &[3, 1, 15], (896, 65, 8));
            check_case(level, &[2, 30, 5], (64, 130, 24));
        }
    }

    #[test]
    #[should_panic(expected = "without overlap")]
    fn overlapping_segments_are_refused() {
        let a = PackedMatrix::pack_f32(&[1.0], 1, 1);
        let segment = || LoraSegment { rows: 0..1, a: &a, b: &a, scale: 1.0 };
        lora(&[1.0], 1, &mut [0.0], 1, &[segment(), segment()]);
    }
}
