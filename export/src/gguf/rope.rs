//! `rope_freqs.weight`: what Llama 3's scaling divides each rotary frequency by, in the converter's
//! single-precision arithmetic (`LlamaModel.generate_extra_tensors`).

use std::f32::consts::PI;

use formats::{Architecture, ModelConfig, RopeScaling};

/// One factor for each pair of dimensions; `None` for models without this scaling.
pub(super) fn factors(config: &ModelConfig) -> Option<Vec<f32>> {
    let RopeScaling::Llama3 {
        factor,
        low_freq_factor,
        high_freq_factor,
        original_max_position_embeddings,
    } = config.rope.scaling
    else {
        return None;
    };
    if config.architecture != Architecture::Llama {
        return None;
    }
    let (factor, low, high) = (factor as f32, low_freq_factor as f32, high_freq_factor as f32);
    let original = original_max_position_embeddings as f32;
    let (low_wavelength, high_wavelength) = (original / low, original / high);
    let theta = config.rope.theta as f32;
    let each = (0..config.head_dim).step_by(2).map(|at| {
        let frequency = 1.0 / theta.powf(at as f32 / config.head_dim as f32);
        let wavelength = 2.0 * PI / frequency;
        if wavelength < high_wavelength {
            1.0
        } else if wavelength > low_wavelength {
            factor
        } else {
            let smooth = (original / wavelength - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    });
    Some(each.collect())
}
