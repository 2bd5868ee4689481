//! What the tests share: repeatable random numbers, naive f64 formulas, comparisons.

use half::bf16;

/// A small repeatable generator (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1).
    pub(crate) fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }

    pub(crate) fn bf16s(&mut self, len: usize) -> Vec<bf16> {
        (0..len).map(|_| bf16::from_f32(self.float())).collect()
    }

    /// Floats that bf16 holds exactly.
    pub(crate) fn bf16_floats(&mut self, len: usize) -> Vec<f32> {
        self.bf16s(len).into_iter().map(bf16::to_f32).collect()
    }

    /// A permutation of `0..len`.
    pub(crate) fn permutation(&mut self, len: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len as u32).collect();
        for i in (1..len).rev() {
            order.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
        order
    }
}

/// `x [m, k] · Wᵀ` with `w [n, k]`, in f64.
pub(crate) fn naive_matmul(x: &[f32], w: &[f32], (m, n, k): (usize, usize, usize)) -> Vec<f64> {
    let mut y = Vec::with_capacity(m * n);
    for row in 0..m {
        for out in 0..n {
            let (x, w) = (&x[row * k..(row + 1) * k], &w[out * k..(out + 1) * k]);
            y.push(x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum());
        }
    }
    y
}

/// Every difference is at most `tolerance` times the largest expected magnitude.
#[track_caller]
pub(crate) fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1e-30_f64, |size, x| size.max(x.abs()));
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(found) - expected).abs();
        assert!(
            difference <= tolerance * size,
            "element {i}: found {found}, expected {expected}, tolerance {tolerance} of {size}"
        );
    }
}

/// `gradient` equals central differences of `sum(dout * f(x))`, to 1e-4 of its largest element.
#[track_caller]
pub(crate) fn assert_gradient(
    x: &[f32],
    dout: &[f32],
    gradient: &[f32],
    f: impl Fn(&[f64]) -> Vec<f64>,
) {
    let step = 1e-5;
    let mut x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    let value = |x: &[f64]| -> f64 { f(x).iter().zip(dout).map(|(y, &d)| y * f64::from(d)).sum() };
    let mut expected = Vec::with_capacity(x.len());
    for i in 0..x.len() {
        let start = x[i];
        x[i] = start + step;
        let above = value(&x);
        x[i] = start - step;
        expected.push((above - value(&x)) / (2.0 * step));
        x[i] = start;
    }
    assert_close(gradient, &expected, 1e-4);
}
