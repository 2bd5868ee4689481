//! Singular value decomposition of small or thin matrices, in f64: QR, then one-sided Jacobi
//! (Demmel and Veselic 1992). Large matrices are brought down to this size by `truncate`.

/// Rounds over all pairs of columns at most; some ten are needed.
const SWEEPS: usize = 60;
/// Cosine between two columns below which they count as orthogonal.
const ORTHOGONAL: f64 = 1e-14;
/// What is left of a column, relative to its length, when it lies in the span of those before it.
const DEPENDENT: f64 = 1e-13;

/// A matrix by its columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    length: usize,
    columns: Vec<Vec<f64>>,
}

/// `u · diag(s) · vᵀ`, singular values falling. Where one is zero, its column of `u` is.
pub(super) struct Svd {
    pub(super) u: Columns,
    pub(super) s: Vec<f64>,
    pub(super) v: Columns,
}

impl Columns {
    /// From a row-major matrix of `width` columns.
    pub(super) fn of_rows(values: &[f32], width: usize) -> Self {
        let column = |j| values.iter().skip(j).step_by(width).map(|v| f64::from(*v)).collect();
        Self { length: values.len() / width.max(1), columns: (0..width).map(column).collect() }
    }

    /// The row-major matrix.
    pub(super) fn to_rows(&self) -> Vec<f32> {
        let row = |i| self.columns.iter().map(move |column| column[i] as f32);
        (0..self.length).flat_map(row).collect()
    }

    /// How many columns there are.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// How long each column is.
    pub(super) fn lengths(&self) -> Vec<f64> {
        self.columns.iter().map(|column| norm(column)).collect()
    }

    /// The first columns only.
    pub(super) fn truncated(mut self, width: usize) -> Self {
        self.columns.truncate(width);
        self
    }

    /// Each column times its factor.
    pub(super) fn scaled(mut self, factors: &[f64]) -> Self {
        for (column, factor) in self.columns.iter_mut().zip(factors) {
            column.iter_mut().for_each(|value| *value *= factor);
        }
        self
    }

    pub(super) fn transposed(&self) -> Self {
        let column = |i| self.columns.iter().map(|column| column[i]).collect();
        Self { length: self.width(), columns: (0..self.length).map(column).collect() }
    }

    /// The product with a matrix that has as many rows as this one has columns.
    pub(super) fn times(&self, right: &Self) -> Self {
        let combine = |factors: &Vec<f64>| {
            let mut sum = vec![0.0; self.length];
            self.columns.iter().zip(factors).for_each(|(column, f)| add(&mut sum, *f, column));
            sum
        };
        Self { length: self.length, columns: right.columns.iter().map(combine).collect() }
    }

    /// Makes the columns orthonormal, a dependent one zero, and returns the square matrix `r` by which
    /// the old ones are the product of the new ones and `r`.
    pub(super) fn orthonormalize(&mut self) -> Self {
        let width = self.width();
        let mut r = Self { length: width, columns: vec![vec![0.0; width]; width] };
        for j in 0..width {
            let (before, rest) = self.columns.split_at_mut(j);
            let start = norm(&rest[0]);
            let column = &mut rest[0];
            // Twice is enough (Kahan).
            for _ in 0..2 {
                for (i, other) in before.iter().enumerate() {
                    let along = dot(other, column);
                    add(column, -along, other);
                    r.columns[j][i] += along;
                }
            }
            let left = norm(column);
            let independent = left > DEPENDENT * start;
            r.columns[j][j] = if independent { left } else { 0.0 };
            let factor = if independent { left.recip() } else { 0.0 };
            column.iter_mut().for_each(|value| *value *= factor);
        }
        r
    }

    /// The decomposition of this matrix, with as many singular values as it has columns.
    pub(super) fn decompose(mut self) -> Svd {
        let r = if self.length > self.width() { Some(self.orthonormalize()) } else { None };
        let mut small = jacobi(r.clone().unwrap_or_else(|| self.clone()));
        if r.is_some() {
            small.u = self.times(&small.u);
        }
        small
    }
}

/// Turns pairs of columns until all are orthogonal: `m · v = u · diag(s)`.
fn jacobi(mut m: Columns) -> Svd {
    let width = m.width();
    let unit = |j| (0..width).map(|i| f64::from(u8::from(i == j))).collect();
    let mut v = Columns { length: width, columns: (0..width).map(unit).collect() };
    for _ in 0..SWEEPS {
        let mut turned = false;
        for q in 1..width {
            for p in 0..q {
                if let Some((cosine, sine)) = rotation(&m.columns[p], &m.columns[q]) {
                    turn(&mut m.columns, (p, q), cosine, sine);
                    turn(&mut v.columns, (p, q), cosine, sine);
                    turned = true;
                }
            }
        }
        if !turned {
            break;
        }
    }
    let lengths: Vec<f64> = m.columns.iter().map(|column| norm(column)).collect();
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&i, &j| lengths[j].total_cmp(&lengths[i]));
    let pick = |from: &Columns| {
        let columns = order.iter().map(|&j| from.columns[j].clone()).collect();
        Columns { length: from.length, columns }
    };
    let s: Vec<f64> = order.iter().map(|&j| lengths[j]).collect();
    let inverse: Vec<f64> = s.iter().map(|s| if *s > 0.0 { s.recip() } else { 0.0 }).collect();
    Svd { u: pick(&m).scaled(&inverse), s, v: pick(&v) }
}

/// Cosine and sine of the angle that makes two columns orthogonal; `None` if they are.
fn rotation(p: &[f64], q: &[f64]) -> Option<(f64, f64)> {
    let (pp, qq, pq) = (dot(p, p), dot(q, q), dot(p, q));
    if pq.abs() <= ORTHOGONAL * (pp * qq).sqrt() {
        return None;
    }
    let zeta = (qq - pp) / (2.0 * pq);
    let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cosine = (1.0 + tangent * tangent).sqrt().recip();
    Some((cosine, cosine * tangent))
}

fn turn(columns: &mut [Vec<f64>], (p, q): (usize, usize), cosine: f64, sine: f64) {
    let (head, tail) = columns.split_at_mut(q);
    for (p, q) in head[p].iter_mut().zip(&mut tail[0]) {
        (*p, *q) = (cosine * *p - sine * *q, sine * *p + cosine * *q);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight sums, so that the processor may add them side by side.
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a8.0.iter().zip(b8.0) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f64 = a8.1.iter().zip(b8.1).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// `sum += factor · column`.
fn add(sum: &mut [f64], factor: f64, column: &[f64]) {
    sum.iter_mut().zip(column).for_each(|(sum, value)| *sum += factor * value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rows: usize, width: usize) -> Columns {
        let values: Vec<f32> = (0..rows * width).map(|i| ((i * i + 3) as f32).sin()).collect();
        Columns::of_rows(&values, width)
    }

    fn distance(a: &Columns, b: &Columns) -> f64 {
        let pairs = a.columns.iter().flatten().zip(b.columns.iter().flatten());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn parts_multiply_to_the_whole_and_are_orthonormal() {
        for (rows, width) in [(40, 7), (7, 7), (5, 9), (1, 1)] {
            let m = wave(rows, width);
            let Svd { u, s, v } = m.clone().decompose();
            assert!(s.is_sorted_by(|a, b| a >= b));
            let product = u.clone().scaled(&s).times(&v.transposed());
            assert!(distance(&product, &m) < 1e-13, "{rows} {width}");
            let unit = v.transposed().times(&v);
            let diagonal = unit.columns.iter().enumerate().map(|(i, column)| column[i]);
            assert!(diagonal.clone().all(|d| (d - 1.0).abs() < 1e-13));
        }
    }

    #[test]
    fn known_singular_values() {
        // [[3, 0], [4, 5]] has 3√5 and √5.
        let s = Columns::of_rows(&[3.0, 0.0, 4.0, 5.0], 2).decompose().s;
        assert!((s[0] - 45.0_f64.sqrt()).abs() < 1e-14 && (s[1] - 5.0_f64.sqrt()).abs() < 1e-14);
    }

    #[test]
    fn dependent_columns_become_zero() {
        let mut m = Columns::of_rows(&[1.0, 2.0, 0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0], 3);
        let before = m.clone();
        let r = m.orthonormalize();
        assert!(m.columns[1].iter().chain(&m.columns[2]).all(|v| *v == 0.0));
        assert!(distance(&m.times(&r), &before) < 1e-15);
        assert_eq!(before.decompose().s.iter().filter(|s| **s > 1e-12).count(), 1);
    }
}
