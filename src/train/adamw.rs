//! AdamW over flat f32 slices, in the order of operations of `torch.optim.AdamW`.
//!
//! Knows nothing of tensors, files or schedules: the caller passes the learning rate of the step,
//! the parameters and their gradients, always in the same order.

use rayon::prelude::*;

/// Elements that one task updates: enough to hide the cost of handing the task out.
const CHUNK: usize = 1 << 15;

/// Settings that stay the same for a whole run. Names and defaults are those of Hugging Face's
/// `TrainingArguments` (`adam_beta1` 0.9, `adam_beta2` 0.999, `adam_epsilon` 1e-8).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the running mean of the gradient.
    pub beta1: f64,
    /// Decay of the running mean of the squared gradient.
    pub beta2: f64,
    /// Added to the root of the second moment, outside its bias correction.
    pub epsilon: f64,
    /// Decoupled weight decay; applied only to parameters that decay.
    pub weight_decay: f64,
}

/// The running moments of one parameter, f32 whatever the parameter is stored as.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Running mean of the gradient (`exp_avg` in torch).
    pub exp_avg: Vec<f32>,
    /// Running mean of its square (`exp_avg_sq` in torch).
    pub exp_avg_sq: Vec<f32>,
}

impl Moments {
    /// Zero moments for a parameter of `len` elements.
    pub fn zeros(len: usize) -> Self {
        Self { exp_avg: vec![0.0; len], exp_avg_sq: vec![0.0; len] }
    }
}

/// One parameter as an update sees it: its values, its gradient, and whether it decays.
#[derive(Debug)]
pub struct Update<'a> {
    /// Values, changed in place.
    pub param: &'a mut [f32],
    /// Gradient of the loss, as long as `param`.
    pub grad: &'a [f32],
    /// Whether weight decay applies (not to norms and biases, as in the HF Trainer).
    pub decay: bool,
}

/// The optimizer: moments of every parameter and the number of steps taken.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamW {
    /// Settings of the run.
    pub config: AdamWConfig,
    /// Steps taken so far; the `t` of the bias corrections.
    pub steps: u64,
    /// One entry a parameter, in the caller's order.
    pub moments: Vec<Moments>,
}

impl AdamW {
    /// A fresh optimizer for parameters of these lengths.
    pub fn new(config: AdamWConfig, lengths: impl IntoIterator<Item = usize>) -> Self {
        Self { config, steps: 0, moments: lengths.into_iter().map(Moments::zeros).collect() }
    }

    /// Takes one step with learning rate `lr`; `updates` are in the order of construction.
    ///
    /// `p *= 1 - lr·wd; m += (g - m)(1-β1); v = β2·v + (1-β2)g²;`
    /// `p -= lr/(1-β1ᵗ) · m / (√v/√(1-β2ᵗ) + ε)`
    pub fn step(&mut self, lr: f64, updates: &mut [Update]) {
        debug_assert_eq!(updates.len(), self.moments.len());
        self.steps += 1;
        let coefficients = Coefficients::at(&self.config, lr, self.steps);
        for (update, moments) in updates.iter_mut().zip(&mut self.moments) {
            let decay = if update.decay { coefficients.decay } else { 1.0 };
            update
                .param
                .par_chunks_mut(CHUNK)
                .zip(update.grad.par_chunks(CHUNK))
                .zip(moments.exp_avg.par_chunks_mut(CHUNK))
                .zip(moments.exp_avg_sq.par_chunks_mut(CHUNK))
                .for_each(|(((p, g), m), v)| coefficients.apply(decay, p, g, m, v));
        }
    }
}

/// What is the same for every element of one step; computed in f64 as torch does, then rounded.
struct Coefficients {
    decay: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    step_size: f32,
    sqrt_bias_correction2: f32,
    epsilon: f32,
}

impl Coefficients {
    fn at(config: &AdamWConfig, lr: f64, step: u64) -> Self {
        let exponent = i32::try_from(step).unwrap_or(i32::MAX);
        let bias_correction1 = 1.0 - config.beta1.powi(exponent);
        let bias_correction2 = 1.0 - config.beta2.powi(exponent);
        Self {
            decay: (1.0 - lr * config.weight_decay) as f32,
            one_minus_beta1: (1.0 - config.beta1) as f32,
            beta2: config.beta2 as f32,
            one_minus_beta2: (1.0 - config.beta2) as f32,
            step_size: (lr / bias_correction1) as f32,
            sqrt_bias_correction2: bias_correction2.sqrt() as f32,
            epsilon: config.epsilon as f32,
        }
    }

    fn apply(&self, decay: f32, param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32]) {
        for (((p, &g), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
            *p *= decay;
            *m += (g - *m) * self.one_minus_beta1;
            *v = *v * self.beta2 + self.one_minus_beta2 * g * g;
            let denominator = v.sqrt() / self.sqrt_bias_correction2 + self.epsilon;
            *p -= self.step_size * (*m / denominator);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded by `tests/golden/train/adamw.py` with torch's own optimizer.
    const GOLDEN: &str = include_str!("../../tests/golden/train/adamw.json");

    #[derive(serde::Deserialize)]
    struct Golden {
        lr: Vec<f64>,
        weight_decay: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
        start: Vec<f32>,
        gradients: Vec<Vec<f32>>,
        decayed: Vec<Vec<f32>>,
        plain: Vec<Vec<f32>>,
    }

    #[test]
    fn follows_torch() {
        let golden: Golden = serde_json::from_str(GOLDEN).unwrap();
        let config = AdamWConfig {
            beta1: golden.beta1,
            beta2: golden.beta2,
            epsilon: golden.epsilon,
            weight_decay: golden.weight_decay,
        };
        let len = golden.start.len();
        let mut optimizer = AdamW::new(config, [len, len]);
        let (mut decayed, mut plain) = (golden.start.clone(), golden.start.clone());
        for (step, grad) in golden.gradients.iter().enumerate() {
            optimizer.step(
                golden.lr[step],
                &mut [
                    Update { param: &mut decayed, grad, decay: true },
                    Update { param: &mut plain, grad, decay: false },
                ],
            );
            assert_close(&decayed, &golden.decayed[step]);
            assert_close(&plain, &golden.plain[step]);
        }
        assert_ne!(decayed, plain);
    }

    fn assert_close(found: &[f32], expected: &[f32]) {
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() <= 1e-6 * e.abs().max(0.1), "{f} instead of {e}");
        }
    }

    #[test]
    fn chunks_do_not_change_the_result() {
        let len = CHUNK * 2 + 17;
        let grad: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin()).collect();
        let config = AdamWConfig { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.1 };
        let mut whole = vec![0.5; len];
        let mut optimizer = AdamW::new(config, [len]);
        optimizer.step(1e-3, &mut [Update { param: &mut whole, grad: &grad, decay: true }]);
        let mut tail = vec![0.5; 17];
        let mut optimizer = AdamW::new(config, [17]);
        let grad = &grad[CHUNK * 2..];
        optimizer.step(1e-3, &mut [Update { param: &mut tail, grad, decay: true }]);
        assert_eq!(whole[CHUNK * 2..], tail);
    }
}
