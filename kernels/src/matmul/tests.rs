//! Products against f64, and bits across levels, row counts and thread counts.

use half::bf16;

use super::transposed::matmul_transposed_at;
use super::{Product, matmul_at};
use crate::level::Level;
use crate::pack::PackedMatrix;
use crate::pool::Pool;
use crate::testing::{Random, assert_close, naive_matmul};

/// (n, k), odd ones among them.
const SHAPES: [(usize, usize); 8] =
    [(1, 1), (17, 7), (16, 896), (130, 33), (65, 896), (8, 64), (200, 8), (256, 129)];

struct Weight {
    n: usize,
    k: usize,
    wide: Vec<f32>,
    packed: [PackedMatrix; 2],
}

impl Weight {
    fn new(n: usize, k: usize, random: &mut Random) -> Self {
        let narrow = random.bf16s(n * k);
        let wide: Vec<f32> = narrow.iter().copied().map(bf16::to_f32).collect();
        let packed = [PackedMatrix::pack_bf16(&narrow, n, k), PackedMatrix::pack_f32(&wide, n, k)];
        Self { n, k, wide, packed }
    }
}

fn multiply(
    level: Level,
    x: &[f32],
    m: usize,
    weight: &PackedMatrix,
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let mut y = vec![f32::NAN; m * weight.rows()];
    matmul_at(level, x, m, &mut [Product { weight, bias, y: &mut y }]);
    y
}

#[test]
fn equals_the_formula_at_every_level_for_both_kinds() {
    let mut random = Random::new(1);
    for (n, k) in SHAPES {
        let weight = Weight::new(n, k, &mut random);
        let bias = random.floats(n);
        for m in [1, 2, 3, 5, 7, 12, 13, 31] {
            let x = random.floats(m * k);
            let mut expected = naive_matmul(&x, &weight.wide, (m, n, k));
            for (y, &b) in expected.iter_mut().zip(bias.iter().cycle()) {
                *y += f64::from(b);
            }
            for level in Level::supported() {
                let [narrow, wide] =
                    weight.packed.each_ref().map(|w| multiply(level, &x, m, w, Some(&bias)));
                assert_close(&narrow, &expected, 2e-6);
                // bf16 is widened exactly: the kind of storage does not change a bit.
                assert_eq!(narrow, wide);
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_rows_level_or_threads() {
    let mut random = Random::new(2);
    for (n, k) in [(17, 7), (200, 896), (530, 640)] {
        let weight = Weight::new(n, k, &mut random);
        let m = 40;
        let x = random.floats(m * k);
        for packed in &weight.packed {
            for level in Level::supported() {
                let all = multiply(level, &x, m, packed, None);
                for count in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 19] {
                    let part = multiply(level, &x[..count * k], count, packed, None);
                    assert_eq!(part, all[..count * n], "{level:?} {count} rows");
                }
                let last = multiply(level, &x[(m - 1) * k..], 1, packed, None);
                assert_eq!(last, all[(m - 1) * n..]);
                let busy = Pool::get().occupy();
                assert_eq!(multiply(level, &x, m, packed, None), all, "on one thread");
                drop(busy);
            }
            if Level::Avx512.is_supported() {
                let [a, b] =
                    [Level::Avx2, Level::Avx512].map(|level| multiply(level, &x, m, packed, None));
                assert_eq!(a, b);
            }
        }
    }
}

#[test]
fn products_of_one_call_equal_separate_calls() {
    let mut random = Random::new(3);
    let (m, k) = (5, 896);
    let x = random.floats(m * k);
    let weights: Vec<Weight> =
        [896, 128, 130].iter().map(|&n| Weight::new(n, k, &mut random)).collect();
    let bias = random.floats(128);
    for level in Level::supported() {
        let mut ys: Vec<Vec<f32>> = weights.iter().map(|w| vec![0.0; m * w.n]).collect();
        let biases = [None, Some(&bias[..]), None];
        let mut products: Vec<Product> = (weights.iter().zip(&mut ys).zip(biases))
            .map(|((weight, y), bias)| Product { weight: &weight.packed[0], bias, y })
            .collect();
        matmul_at(level, &x, m, &mut products);
        for ((weight, y), bias) in weights.iter().zip(&ys).zip(biases) {
            assert_eq!(*y, multiply(level, &x, m, &weight.packed[0], bias));
        }
    }
}

#[test]
fn nothing_is_written_for_no_rows_and_no_products() {
    let weight = PackedMatrix::pack_f32(&[1.0; 6], 2, 3);
    super::matmul(&[], 0, &mut [Product { weight: &weight, bias: None, y: &mut [] }]);
    super::matmul(&[1.0; 3], 1, &mut []);
}

#[test]
#[should_panic(expected = "an input of 2 rows of 3")]
fn a_wrong_input_length_is_refused() {
    let weight = PackedMatrix::pack_f32(&[1.0; 6], 2, 3);
    super::matmul(&[0.0; 5], 2, &mut [Product { weight: &weight, bias: None, y: &mut [0.0; 4] }]);
}

#[test]
fn transposed_adds_the_formula_and_does_not_depend_on_rows() {
    let mut random = Random::new(4);
    for (n, k) in SHAPES.into_iter().chain([(9000, 40)]) {
        let weight = Weight::new(n, k, &mut random);
        let turned: Vec<f32> = (0..n * k).map(|i| weight.wide[(i % n) * k + i / n]).collect();
        for m in [1, 3, 14, 29] {
            let (dy, start) = (random.floats(m * n), random.floats(m * k));
            let mut expected = naive_matmul(&dy, &turned, (m, k, n));
            for (y, &x) in expected.iter_mut().zip(&start) {
                *y += f64::from(x);
            }
            for level in Level::supported() {
                let [narrow, wide] = weight.packed.each_ref().map(|w| {
                    let mut dx = start.clone();
                    matmul_transposed_at(level, (&dy, m), w, &mut dx);
                    dx
                });
                assert_close(&narrow, &expected, 5e-6);
                assert_eq!(narrow, wide);
                let mut first = start[..k].to_vec();
                matmul_transposed_at(level, (&dy[..n], 1), &weight.packed[0], &mut first);
                assert_eq!(first, narrow[..k]);
            }
        }
        assert_eq!((weight.n, weight.k), (n, k));
    }
}
