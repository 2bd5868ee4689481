//! The low-rank product that LoRA adds to a weight, handed out by rows. Where it comes from, and what
//! else happens to the weight, is not known here.

use kernels::{PackedMatrix, Product, matmul};
use std::ops::Range;

/// `s · x · yᵀ`, added to a weight `[rows, columns]`.
#[derive(Debug)]
pub(super) struct LowRank {
    /// `[rows, rank]`.
    x: Vec<f32>,
    /// `[columns, rank]`.
    y: PackedMatrix,
    rank: usize,
    scale: f32,
}

impl LowRank {
    /// From `x` `[rows, rank]` and `y` `[columns, rank]`, the scale multiplied on last, as PEFT does.
    pub(super) fn new(x: Vec<f32>, y: &[f32], rank: usize, scale: f32) -> Self {
        let y = PackedMatrix::pack_f32(y, y.len() / rank, rank);
        Self { x, y, rank, scale }
    }

    /// Values in a row of the product.
    pub(super) fn columns(&self) -> usize {
        self.y.rows()
    }

    /// Rows of the product.
    pub(super) fn rows(&self) -> usize {
        self.x.len() / self.rank
    }

    /// Adds `weight ·` some rows of the product to `sum` `[rows, columns]`.
    pub(super) fn add_rows(&self, rows: Range<usize>, weight: f32, sum: &mut [f32]) {
        let mut product = vec![0.0; sum.len()];
        let x = &self.x[rows.start * self.rank..rows.end * self.rank];
        let y = Product { weight: &self.y, bias: None, y: &mut product };
        matmul(x, rows.len(), &mut [y]);
        let factor = weight * self.scale;
        sum.iter_mut().zip(product).for_each(|(sum, value)| *sum += value * factor);
    }

    /// Whether two products are made of the same numbers.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let row = |matrix: &PackedMatrix, i| {
            let mut row = vec![0.0; matrix.cols()];
            matrix.read_row(i, &mut row);
            row
        };
        (self.rank, self.scale) == (other.rank, other.scale)
            && self.x == other.x
            && self.columns() == other.columns()
            && (0..self.columns()).all(|i| row(&self.y, i) == row(&other.y, i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_whole_product() {
        // x yᵀ = [[1*5+2*6, 1*7+2*8], [3*5+4*6, 3*7+4*8]]
        let pair = LowRank::new(vec![1., 2., 3., 4.], &[5., 6., 7., 8.], 2, 0.5);
        let mut sum = vec![1.0; 2];
        pair.add_rows(1..2, 2.0, &mut sum);
        assert_eq!(sum, [1.0 + 39.0, 1.0 + 53.0]);
        assert_eq!((pair.rows(), pair.columns()), (2, 2));
    }

    #[test]
    fn products_of_other_numbers_differ() {
        let pair = |x: f32, scale| LowRank::new(vec![x, 1.0], &[2.0, 3.0, 4.0], 1, scale);
        assert!(pair(1.0, 1.0).same_as(&pair(1.0, 1.0)));
        assert!(!pair(1.0, 1.0).same_as(&pair(1.5, 1.0)));
        assert!(!pair(1.0, 1.0).same_as(&pair(1.0, 2.0)));
    }
}
