//! Plain f32 products of training (weight gradients and the like), on the `gemm` crate.
//!
//! For one machine and one shape the result is the same from run to run, but it depends on how
//! many rows share the call: the forward pass, which promises batch invariance, never comes here.
//! `gemm` picks its instruction set itself; `WARDROBE_SIMD` does not reach it.

use gemm::Parallelism;

use crate::parallel::Spread;

/// The result is `[m, n]`, the sum runs over `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GemmShape {
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Products of each sum.
    pub k: usize,
}

/// What becomes of the old content of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It is replaced.
    Overwrite,
    /// The result is added to it.
    Accumulate,
}

/// `c [m, n] = a [m, k] · b [k, n]`.
///
/// # Panics
/// When a slice does not have the length its shape asks for.
pub fn gemm_nn(shape: GemmShape, a: &[f32], b: &[f32], c: &mut [f32], write: Write) {
    let a = Matrix::new(a, (shape.m, shape.k));
    let b = Matrix::new(b, (shape.k, shape.n));
    product(a, b, c, write);
}

/// `c [m, n] = a [m, k] · bᵀ` with `b [n, k]`.
///
/// # Panics
/// When a slice does not have the length its shape asks for.
pub fn gemm_nt(shape: GemmShape, a: &[f32], b: &[f32], c: &mut [f32], write: Write) {
    let a = Matrix::new(a, (shape.m, shape.k));
    let b = Matrix::new(b, (shape.n, shape.k)).transposed();
    product(a, b, c, write);
}

/// `c [m, n] = aᵀ · b [k, n]` with `a [k, m]`.
///
/// # Panics
/// When a slice does not have the length its shape asks for.
pub fn gemm_tn(shape: GemmShape, a: &[f32], b: &[f32], c: &mut [f32], write: Write) {
    let a = Matrix::new(a, (shape.k, shape.m)).transposed();
    let b = Matrix::new(b, (shape.k, shape.n));
    product(a, b, c, write);
}

/// A view of a row-major matrix, perhaps transposed.
struct Matrix<'a> {
    data: &'a [f32],
    shape: (usize, usize),
    strides: (usize, usize),
}

impl<'a> Matrix<'a> {
    fn new(data: &'a [f32], (rows, columns): (usize, usize)) -> Self {
        assert_eq!(data.len(), rows * columns, "a matrix of {rows} rows of {columns}");
        Self { data, shape: (rows, columns), strides: (columns, 1) }
    }

    fn transposed(self) -> Self {
        let ((rows, columns), (row, column)) = (self.shape, self.strides);
        Self { data: self.data, shape: (columns, rows), strides: (column, row) }
    }
}

/// `c (write)= a · b`.
fn product(a: Matrix, b: Matrix, c: &mut [f32], write: Write) {
    let ((m, k), n) = (a.shape, b.shape.1);
    assert_eq!(c.len(), m * n, "a result of {m} rows of {n}");
    let stride = |strides: (usize, usize)| (strides.0 as isize, strides.1 as isize);
    let ((a_row, a_column), (b_row, b_column)) = (stride(a.strides), stride(b.strides));
    let parallelism = match Spread::for_work(m * n * k) {
        Spread::Serial => Parallelism::None,
        Spread::Threads => Parallelism::Rayon(0),
    };
    // SAFETY: the views were checked against their slices, and `c`, being borrowed mutably, overlaps
    // neither input.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            write == Write::Accumulate,
            a.data.as_ptr(),
            a_column,
            a_row,
            b.data.as_ptr(),
            b_column,
            b_row,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, assert_close, naive_matmul};

    fn transpose(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns).map(|i| x[(i % rows) * columns + i / rows]).collect()
    }

    #[test]
    fn all_three_equal_the_formula_and_repeat_to_the_bit() {
        for (m, n, k) in [(1, 1, 1), (3, 17, 7), (65, 130, 100)] {
            let shape = GemmShape { m, n, k };
            let mut random = Random::new(k as u64);
            let (a, bt) = (random.floats(m * k), random.floats(n * k));
            let (at, b) = (transpose(&a, m, k), transpose(&bt, n, k));
            let mut expected = naive_matmul(&a, &bt, (m, n, k));
            type Gemm = fn(GemmShape, &[f32], &[f32], &mut [f32], Write);
            let cases: [(Gemm, &[f32], &[f32]); 3] =
                [(gemm_nn, &a, &b), (gemm_nt, &a, &bt), (gemm_tn, &at, &b)];
            let mut results = Vec::new();
            for (gemm, a, b) in cases {
                let mut c = vec![f32::NAN; m * n];
                gemm(shape, a, b, &mut c, Write::Overwrite);
                assert_close(&c, &expected, 2e-6);
                let mut again = vec![0.0; m * n];
                gemm(shape, a, b, &mut again, Write::Accumulate);
                gemm(shape, a, b, &mut again, Write::Overwrite);
                assert_eq!(again, c);
                gemm(shape, a, b, &mut c, Write::Accumulate);
                results.push(c);
            }
            expected.iter_mut().for_each(|x| *x *= 2.0);
            results.iter().for_each(|c| assert_close(c, &expected, 2e-6));
        }
    }
}
