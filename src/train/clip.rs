//! Gradient clipping by the global L2 norm, as `torch.nn.utils.clip_grad_norm_`.

use rayon::prelude::*;

/// Elements summed together; fixed, so that the norm does not depend on the number of threads.
const CHUNK: usize = 1 << 14;

/// The L2 norm of all gradients taken as one vector, summed in f64 in a fixed order.
pub fn global_norm(grads: &[Vec<f32>]) -> f64 {
    grads.iter().map(|grad| sum_of_squares(grad)).sum::<f64>().sqrt()
}

/// Scales every gradient by `min(1, max_norm / (norm + 1e-6))` and returns the norm *before*
/// clipping, which is what TRL logs as `grad_norm`. A `max_norm` of 0 or less leaves them alone.
pub fn clip_global_norm(grads: &mut [Vec<f32>], max_norm: f64) -> f64 {
    let norm = global_norm(grads);
    let factor = max_norm / (norm + 1e-6);
    if max_norm > 0.0 && factor < 1.0 {
        let factor = factor as f32;
        grads.par_iter_mut().flatten().for_each(|g| *g *= factor);
    }
    norm
}

fn sum_of_squares(values: &[f32]) -> f64 {
    let partial: Vec<f64> = values
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().map(|&v| f64::from(v) * f64::from(v)).sum())
        .collect();
    partial.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_to_the_limit_and_reports_the_norm_before() {
        let mut grads = vec![vec![3.0, 0.0], vec![4.0]];
        let norm = clip_global_norm(&mut grads, 1.0);
        assert!((norm - 5.0).abs() < 1e-12);
        let expected = 1.0 / (5.0 + 1e-6);
        assert!((f64::from(grads[0][0]) - 3.0 * expected).abs() < 1e-7);
        assert!((f64::from(grads[1][0]) - 4.0 * expected).abs() < 1e-7);
    }

    #[test]
    fn leaves_small_gradients_and_a_limit_of_zero_alone() {
        let mut grads = vec![vec![0.3, 0.4]];
        assert!((clip_global_norm(&mut grads, 1.0) - 0.5).abs() < 1e-7);
        assert_eq!(grads, vec![vec![0.3, 0.4]]);
        clip_global_norm(&mut grads, 0.0);
        assert_eq!(grads, vec![vec![0.3, 0.4]]);
    }

    #[test]
    fn a_nan_is_reported_as_a_nan() {
        assert!(clip_global_norm(&mut [vec![1.0, f32::NAN]], 1.0).is_nan());
    }
}
