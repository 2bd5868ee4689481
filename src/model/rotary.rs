//! Rotary position embedding: inverse frequencies of each kind, and cos/sin of a step's rows.
//!
//! Frequencies follow transformers' `modeling_rope_utils.py` in f32, since checkpoints were
//! trained with those bits: default and linear; llama3 (Llama 3.1's wavelength ramp); yarn
//! (Peng et al. 2023, with `mscale` and `truncate`).

use formats::{ModelConfig, RopeScaling};
use std::f64::consts::PI;
use std::sync::Arc;

/// Inverse frequencies of one model.
#[derive(Debug, Clone)]
pub(super) struct Rotary {
    /// `[head_dim / 2]`
    inv_freq: Vec<f32>,
    /// Factor on cos and sin (yarn's attention factor, else 1).
    scale: f32,
}

/// cos and sin of each row of a step, `[rows, head_dim / 2]`, shared by all layers.
#[derive(Debug, Clone)]
pub(super) struct RotaryRows {
    pub(super) cos: Arc<Vec<f32>>,
    pub(super) sin: Arc<Vec<f32>>,
}

impl Rotary {
    /// The frequencies that a configuration asks for.
    pub(super) fn new(config: &ModelConfig) -> Self {
        let (dim, theta) = (config.head_dim, config.rope.theta);
        let plain = default_inv_freq(dim, theta);
        match &config.rope.scaling {
            RopeScaling::Default => Self { inv_freq: plain, scale: 1.0 },
            RopeScaling::Linear { factor } => {
                let inv_freq = plain.iter().map(|f| f / *factor as f32).collect();
                Self { inv_freq, scale: 1.0 }
            }
            &RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                let ramp = Llama3Ramp {
                    factor: factor as f32,
                    low: low_freq_factor as f32,
                    high: high_freq_factor as f32,
                    original: original_max_position_embeddings as f32,
                };
                Self { inv_freq: plain.into_iter().map(|f| ramp.apply(f)).collect(), scale: 1.0 }
            }
            &RopeScaling::Yarn {
                factor,
                original_max_position_embeddings,
                attention_factor,
                beta_fast,
                beta_slow,
                truncate,
                ..
            } => {
                let original = original_max_position_embeddings as f64;
                let ramp = YarnRamp { factor, original, beta_fast, beta_slow, truncate };
                Self { inv_freq: ramp.inv_freq(dim, theta), scale: attention_factor as f32 }
            }
        }
    }

    /// cos and sin for rows at these positions.
    pub(super) fn rows(&self, positions: &[u32]) -> RotaryRows {
        let capacity = positions.len() * self.inv_freq.len();
        let (mut cos, mut sin) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        for &position in positions {
            for frequency in &self.inv_freq {
                let (s, c) = (position as f32 * frequency).sin_cos();
                cos.push(c * self.scale);
                sin.push(s * self.scale);
            }
        }
        RotaryRows { cos: Arc::new(cos), sin: Arc::new(sin) }
    }
}

/// `theta^(2i/dim)`, as f32 exponent and base.
fn position_freq(index: usize, dim: usize, theta: f64) -> f32 {
    (theta as f32).powf((2 * index) as f32 / dim as f32)
}

fn default_inv_freq(dim: usize, theta: f64) -> Vec<f32> {
    (0..dim / 2).map(|i| 1.0 / position_freq(i, dim, theta)).collect()
}

/// Llama 3.1's smoothing between short wavelengths (kept) and long ones (divided by `factor`).
struct Llama3Ramp {
    factor: f32,
    low: f32,
    high: f32,
    original: f32,
}

impl Llama3Ramp {
    fn apply(&self, frequency: f32) -> f32 {
        let wavelength = 2.0 * std::f32::consts::PI / frequency;
        if wavelength < self.original / self.high {
            return frequency;
        }
        if wavelength > self.original / self.low {
            return frequency / self.factor;
        }
        let smooth = (self.original / wavelength - self.low) / (self.high - self.low);
        (1.0 - smooth) * frequency / self.factor + smooth * frequency
    }
}

/// YaRN's blend of interpolated (low) and kept (high) frequencies.
struct YarnRamp {
    factor: f64,
    original: f64,
    beta_fast: f64,
    beta_slow: f64,
    truncate: bool,
}

impl YarnRamp {
    /// First and last dimension of the ramp.
    fn range(&self, dim: usize, theta: f64) -> (f64, f64) {
        let correction = |rotations: f64| {
            dim as f64 * (self.original / (rotations * 2.0 * PI)).ln() / (2.0 * theta.ln())
        };
        let (mut low, mut high) = (correction(self.beta_fast), correction(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, high) = (low.max(0.0), high.min(dim as f64 - 1.0));
        if low == high { (low, high + 0.001) } else { (low, high) }
    }

    fn inv_freq(&self, dim: usize, theta: f64) -> Vec<f32> {
        let (low, high) = self.range(dim, theta);
        let blend = |i: usize| {
            let ramp = ((i as f32 - low as f32) / (high - low) as f32).clamp(0.0, 1.0);
            let position = position_freq(i, dim, theta);
            let interpolated = 1.0 / (self.factor as f32 * position);
            interpolated * ramp + (1.0 / position) * (1.0 - ramp)
        };
        (0..dim / 2).map(blend).collect()
    }
}
