//! Products with packed weights: `y = x · Wᵀ + bias`, and `dx += dy · W` for training.
//!
//! Every output is one chain of additions with inputs ascending, so its bits depend on its own row
//! and weights alone.

mod jobs;
pub(crate) mod micro;
#[cfg(test)]
mod tests;
mod transposed;
pub(crate) mod weights;

pub(crate) use jobs::{Job, run};
pub(crate) use micro::Finish;
pub use transposed::matmul_transposed;

use crate::level::Level;
use crate::pack::PackedMatrix;
use crate::parallel::SharedMut;

/// One product of a shared input: `y [m, n] = x [m, k] · Wᵀ + bias`.
pub struct Product<'a> {
    /// `W [n, k]`.
    pub weight: &'a PackedMatrix,
    /// Added to every row, `[n]`.
    pub bias: Option<&'a [f32]>,
    /// The result, `[m, n]`, overwritten.
    pub y: &'a mut [f32],
}

/// Computes every product of `x [m, k]` in one parallel pass over the tiles of all weights.
///
/// # Panics
/// When a slice does not have the length its shape asks for.
pub fn matmul(x: &[f32], m: usize, products: &mut [Product]) {
    matmul_at(Level::active(), x, m, products);
}

pub(crate) fn matmul_at(level: Level, x: &[f32], m: usize, products: &mut [Product]) {
    let Some(k) = products.first().map(|product| product.weight.cols()) else { return };
    assert_eq!(x.len(), m * k, "an input of {m} rows of {k}");
    let jobs: Vec<Job> = products
        .iter_mut()
        .map(|Product { weight, bias, y }| {
            assert_eq!(weight.cols(), k, "weights that share an input have equal columns");
            assert_eq!(y.len(), m * weight.rows(), "an output of {m} rows of {}", weight.rows());
            let finish = match bias {
                Some(bias) => {
                    assert_eq!(bias.len(), weight.rows(), "a bias has one element an output");
                    Finish::Bias(bias.as_ptr())
                }
                None => Finish::Store,
            };
            Job { x, rows: m, weight, y: SharedMut::new(y), finish }
        })
        .collect();
    run(level, &jobs);
}
