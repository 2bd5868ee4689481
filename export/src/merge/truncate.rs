//! The product of a given rank that is nearest to a matrix: its singular value decomposition, cut.

use super::adapter::Factors;
use super::random::Stream;
use super::svd::{Columns, Svd};
use kernels::{GemmShape, Write, gemm_nn, gemm_tn};

/// Up to this smaller side a matrix is decomposed exactly.
const EXACT: usize = 192;
/// Directions tried beyond the rank asked for.
const SPARE: usize = 12;
/// Rounds at most, and the share of energy gained below which they end.
const ROUNDS: usize = 32;
const GAIN: f64 = 1e-7;

/// Of `scale · x · yᵀ`, without forming it.
pub(super) fn product(factors: &Factors, rank: usize) -> Factors {
    let columns = |side: &[f32]| Columns::of_rows(side, factors.rank);
    let (mut x, mut y) = (columns(&factors.x), columns(&factors.y));
    let (in_x, in_y) = (x.orthonormalize(), y.orthonormalize());
    // x yᵀ = Qx (Rx Ryᵀ) Qyᵀ, and the matrix in the middle is small.
    let Svd { u, s, v } = in_x.times(&in_y.transposed()).decompose();
    let cut = Svd { u: x.times(&u), s, v: y.times(&v) };
    Factors { scale: factors.scale, ..cut.factors(rank) }
}

/// Of a row-major matrix of `shape` (rows, columns); beyond [`EXACT`], by subspace iteration (Halko,
/// Martinsson and Tropp 2011) until another round gains next to nothing.
pub(super) fn dense(matrix: &[f32], shape: (usize, usize), rank: usize) -> Factors {
    let (rows, columns) = shape;
    if columns <= EXACT {
        return Columns::of_rows(matrix, columns).decompose().factors(rank);
    }
    if rows <= EXACT {
        let Svd { u, s, v } = Columns::of_rows(matrix, columns).transposed().decompose();
        return Svd { u: v, s, v: u }.factors(rank);
    }
    let (left, right) = ends(matrix, shape, (rank + SPARE).min(rows.min(columns)));
    // The matrix is about left · rightᵀ, and left orthonormal.
    let Svd { u, s, v } = right.decompose();
    Svd { u: left.times(&v), s, v: u }.factors(rank)
}

/// An orthonormal basis of about the matrix's largest left directions, and the matrix seen in it.
fn ends(matrix: &[f32], (m, k): (usize, usize), width: usize) -> (Columns, Columns) {
    let mut draws = Stream::named("subspace iteration");
    let mut right: Vec<f32> = (0..k * width).map(|_| draws.normal() as f32).collect();
    let mut image = vec![0.0; m * width];
    let (mut energy, mut round) = (0.0, 0);
    loop {
        let shape = GemmShape { m, n: width, k };
        gemm_nn(shape, matrix, &right, &mut image, Write::Overwrite);
        let mut left = Columns::of_rows(&image, width);
        left.orthonormalize();
        let shape = GemmShape { m: k, n: width, k: m };
        gemm_tn(shape, matrix, &left.to_rows(), &mut right, Write::Overwrite);
        let now: f64 = right.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
        let mut seen = Columns::of_rows(&right, width);
        round += 1;
        if round == ROUNDS || now - energy <= GAIN * now {
            return (left, seen);
        }
        seen.orthonormalize();
        (right, energy) = (seen.to_rows(), now);
    }
}

/// A matrix cut to a rank, as A and B of an adapter whose scale is 1.
pub(crate) struct Cut {
    /// `[rank, columns]`.
    pub(crate) a: Vec<f32>,
    /// `[rows, rank]`; both have the root of each singular value.
    pub(crate) b: Vec<f32>,
    /// Squared length of their product.
    pub(crate) energy: f64,
}

/// A row-major matrix of `shape` (rows, columns), cut to `rank`.
pub(crate) fn truncated(matrix: &[f32], shape: (usize, usize), rank: usize) -> Cut {
    let Factors { x, y, .. } = dense(matrix, shape, rank);
    let (left, right) = (Columns::of_rows(&x, rank), Columns::of_rows(&y, rank));
    // The columns of x are as long as the singular values, those of y are of length 1.
    let values = left.lengths();
    let energy = values.iter().map(|value| value * value).sum();
    let roots: Vec<f64> = values.iter().map(|value| value.sqrt()).collect();
    let inverse: Vec<f64> =
        roots.iter().map(|root| if *root > 0.0 { root.recip() } else { 0.0 }).collect();
    let (a, b) = (right.scaled(&roots).transposed().to_rows(), left.scaled(&inverse).to_rows());
    Cut { a, b, energy }
}

impl Svd {
    fn factors(self, rank: usize) -> Factors {
        let rank = rank.min(self.s.len());
        let (x, y) = (self.u.truncated(rank).scaled(&self.s), self.v.truncated(rank));
        Factors { x: x.to_rows(), y: y.to_rows(), rank, scale: 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix with singular values 1, 1/2, 1/4 ...
    fn decaying(rows: usize, columns: usize) -> (Vec<f32>, Vec<f64>) {
        let mut draws = Stream::named("decaying");
        let mut side = |length: usize| {
            let values: Vec<f32> = (0..length * 24).map(|_| draws.normal() as f32).collect();
            let mut side = Columns::of_rows(&values, 24);
            side.orthonormalize();
            side
        };
        let s: Vec<f64> = (0..24).map(|i| 0.5_f64.powi(i)).collect();
        let (left, right) = (side(rows), side(columns));
        (left.scaled(&s).times(&right.transposed()).to_rows(), s)
    }

    fn expand(factors: &Factors, columns: usize) -> Vec<f32> {
        let x = Columns::of_rows(&factors.x, factors.rank);
        let y = Columns::of_rows(&factors.y, factors.rank);
        let product = x.times(&y.transposed()).to_rows();
        assert_eq!(product.len() % columns, 0);
        product
    }

    #[test]
    fn what_is_lost_is_the_smaller_singular_values() {
        for (rows, columns) in [(50, 300), (300, 50), (310, 220)] {
            let (matrix, s) = decaying(rows, columns);
            for rank in [1, 4, 9] {
                let cut = dense(&matrix, (rows, columns), rank);
                let lost: f64 = matrix
                    .iter()
                    .zip(expand(&cut, columns))
                    .map(|(a, b)| f64::from(a - b).powi(2))
                    .sum();
                let least: f64 = s[rank..].iter().map(|s| s * s).sum();
                assert!(
                    (lost / least - 1.0).abs() < 1e-3,
                    "{rows} {columns} {rank}: {lost} {least}"
                );
            }
        }
    }

    #[test]
    fn a_product_is_cut_as_the_matrix_it_stands_for() {
        let mut draws = Stream::named("product");
        let mut side = |n: usize| (0..n * 5).map(|_| draws.normal() as f32).collect::<Vec<_>>();
        let factors = Factors { x: side(40), y: side(30), rank: 5, scale: 1.0 };
        let (whole, cut) = (expand(&factors, 30), product(&factors, 3));
        let by_matrix = expand(&dense(&whole, (40, 30), 3), 30);
        let most = expand(&cut, 30).into_iter().zip(by_matrix).map(|(a, b)| (a - b).abs());
        assert!(most.fold(0.0, f32::max) < 1e-5);
        assert_eq!(cut.rank, 3);
    }
}
