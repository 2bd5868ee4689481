//! The scales of a super-block's sub-blocks, themselves quantized: eight or sixteen numbers, one
//! super-block at a time. The formulas are ggml's (`make_qp_quants`, `make_qx_quants`).

use super::numbers::nearest;
use super::search::{STEPS, TINY};

/// Fits `x ≈ scale * code` for `x >= 0` with codes `0..=top`: the inverse scale of the least
/// weighted squares among nine, then single codes moved while that helps, at most five rounds.
/// Returns the scale and writes the codes.
pub(super) fn unsigned(x: &[f32], weights: &[f32], top: i32, codes: &mut [u8]) -> f32 {
    let max = x.iter().fold(0.0, |max, &x| if max > x { max } else { x });
    if max < TINY {
        codes.fill(0);
        return 0.0;
    }
    let inverse = best_inverse(x, weights, top, max);
    let (mut sum_xl, mut sum_l2) = (0.0, 0.0);
    for ((&x, &w), code) in x.iter().zip(weights).zip(codes.iter_mut()) {
        let l = nearest(inverse * x).min(top);
        *code = l as u8;
        sum_xl += w * x * l as f32;
        sum_l2 += w * l as f32 * l as f32;
    }
    for _ in 0..5 {
        let mut changed = false;
        for ((&x, &w), code) in x.iter().zip(weights).zip(codes.iter_mut()) {
            let old = f32::from(*code);
            let (mut xl, mut l2) = (sum_xl - w * x * old, sum_l2 - w * old * old);
            if !(xl > 0.0 && l2 > 0.0) {
                continue;
            }
            let l = nearest(x * l2 / xl).min(top);
            if l == i32::from(*code) {
                continue;
            }
            xl += w * x * l as f32;
            l2 += w * l as f32 * l as f32;
            if xl * xl * sum_l2 > sum_xl * sum_xl * l2 {
                *code = l as u8;
                (sum_xl, sum_l2, changed) = (xl, l2, true);
            }
        }
        if !changed {
            break;
        }
    }
    if sum_l2 > 0.0 { sum_xl / sum_l2 } else { 0.0 }
}

/// The inverse scale of least weighted squares among `(top + step / 10) / max`, steps -4 to 4;
/// `top / max` where none is better.
fn best_inverse(x: &[f32], weights: &[f32], top: i32, max: f32) -> f32 {
    let mut inverse = top as f32 / max;
    // The first codes are kept as bytes, so nothing limits them but a byte.
    let mut least = cost(x, weights, inverse, |l| i32::from(l as u8));
    for step in [-4_i8, -3, -2, -1, 1, 2, 3, 4] {
        let candidate = (0.1 * f32::from(step) + top as f32) / max;
        let cost = cost(x, weights, candidate, |l| l.min(top));
        if cost < least {
            (least, inverse) = (cost, candidate);
        }
    }
    inverse
}

/// The weighted squares of what the codes of one inverse scale leave.
fn cost(x: &[f32], weights: &[f32], inverse: f32, limit: impl Fn(i32) -> i32) -> f32 {
    let scale = 1.0 / inverse;
    let mut cost = 0.0;
    for (&x, &w) in x.iter().zip(weights) {
        let difference = x - scale * limit(nearest(inverse * x)) as f32;
        cost += w * difference * difference;
    }
    cost
}

/// [`symmetric`](super::search::symmetric) of sixteen numbers, one after the other.
pub(super) fn signed(x: &[f32; 16], weights: &[f32; 16], top: i32, codes: &mut [u8; 16]) -> f32 {
    let (mut extreme, mut size) = (0.0, 0.0);
    for &x in x {
        if x.abs() > size {
            (extreme, size) = (x, x.abs());
        }
    }
    if size < TINY {
        codes.fill(0);
        return 0.0;
    }
    let code = |inverse: f32, x: f32| nearest(inverse * x).min(top - 1).max(-top);
    let sums = |inverse: f32| {
        let (mut sum_xl, mut sum_l2) = (0.0, 0.0);
        for (&x, &w) in x.iter().zip(weights) {
            let l = code(inverse, x) as f32;
            sum_xl += w * x * l;
            sum_l2 += w * l * l;
        }
        (sum_xl, sum_l2)
    };
    let mut inverse = -top as f32 / extreme;
    let (sum_xl, sum_l2): (f32, f32) = sums(inverse);
    let mut scale = if sum_l2 == 0.0 { 0.0 } else { sum_xl / sum_l2 };
    let mut best = scale * sum_xl;
    for step in STEPS {
        let candidate = -(top as f32 + 0.1 * f32::from(step)) / extreme;
        let (sum_xl, sum_l2) = sums(candidate);
        if sum_l2 > 0.0 && sum_xl * sum_xl > best * sum_l2 {
            scale = sum_xl / sum_l2;
            (best, inverse) = (scale * sum_xl, candidate);
        }
    }
    for (code_out, &x) in codes.iter_mut().zip(x) {
        *code_out = (top + code(inverse, x)) as u8;
    }
    scale
}
