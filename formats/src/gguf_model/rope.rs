//! Rotary embedding as `config.json` says it, from GGUF's keys and from the factors of Llama 3.

use std::f32::consts::PI;

use serde_json::{Value, json};

use super::decimal;
use crate::gguf::{GgufFile, Metadata, TensorType};
use crate::{Error, Result};

/// Factors and thresholds are kept as single-precision results of rounded arithmetic.
const TOLERANCE: f32 = 1e-4;
/// llama.cpp's default.
const THETA: f64 = 10_000.0;

/// `rope_theta`.
pub(super) fn theta(metadata: &Metadata, name: &str) -> f64 {
    decimal(metadata, &format!("{name}.rope.freq_base")).unwrap_or(THETA)
}

/// `rope_scaling`; `null` if there is none.
pub(super) fn scaling(file: &GgufFile, name: &str, head_dim: u64) -> Result<Value> {
    let metadata = file.metadata();
    let key = |what: &str| format!("{name}.rope.scaling.{what}");
    if file.tensor("rope_freqs.weight").is_some() {
        return llama3(file, theta(metadata, name), head_dim);
    }
    let factor = decimal(metadata, &key("factor"));
    match (metadata.str(&key("type")), factor) {
        (None | Some("none"), _) => Ok(Value::Null),
        (Some("linear"), Some(factor)) => Ok(json!({"rope_type": "linear", "factor": factor})),
        (Some("yarn"), Some(factor)) => Ok(yarn(metadata, name, factor)),
        (Some(kind), Some(_)) => {
            let advice = "expected none, linear or yarn";
            let feature = format!("`{}` \"{kind}\"", key("type"));
            Err(Error::unsupported(file.path(), feature, advice))
        }
        (Some(kind), None) => {
            let problem = format!("scales positions by {kind} but has no `{}`", key("factor"));
            Err(Error::malformed(file.path(), problem))
        }
    }
}

fn yarn(metadata: &Metadata, name: &str, factor: f64) -> Value {
    let key = |what: &str| format!("{name}.rope.scaling.{what}");
    let mut yarn = json!({"rope_type": "yarn", "factor": factor});
    if let Some(original) = metadata.unsigned(&key("original_context_length")) {
        yarn["original_max_position_embeddings"] = json!(original);
    }
    // The key multiplies what the paper's own rule gives.
    if let Some(more) = decimal(metadata, &key("yarn_attn_factor")) {
        let own = if factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 };
        yarn["attention_factor"] = json!(own * more);
    }
    for (ours, theirs) in [("yarn_beta_fast", "beta_fast"), ("yarn_beta_slow", "beta_slow")] {
        if let Some(value) = decimal(metadata, &key(ours)) {
            yarn[theirs] = json!(value);
        }
    }
    yarn
}

/// Llama 3's scaling is kept as the factors it leads to. Scaling all thresholds alike gives the same
/// factors, so the lowest is taken to be 1, as in every published model; the others are searched for.
fn llama3(file: &GgufFile, theta: f64, head_dim: u64) -> Result<Value> {
    let found = factors(file)?;
    let factor = found.iter().copied().fold(1.0_f32, f32::max);
    let originals = std::iter::once(8192).chain((4..=20).map(|power| 1_u32 << power));
    for original in originals {
        for high in [4.0_f32, 2.0, 3.0, 8.0, 16.0, 32.0] {
            let rule = Llama3 { factor, high, original: original as f32 };
            if rule.gives(&found, theta as f32, head_dim as f32) {
                return Ok(json!({
                    "rope_type": "llama3",
                    "factor": factor,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": high,
                    "original_max_position_embeddings": original,
                }));
            }
        }
    }
    let advice =
        "they follow from no setting of Llama 3's rule; use the model in Hugging Face layout";
    Err(Error::unsupported(file.path(), "the factors in `rope_freqs.weight`", advice))
}

fn factors(file: &GgufFile) -> Result<Vec<f32>> {
    let Some(tensor) = file.tensor("rope_freqs.weight").filter(|t| t.kind == TensorType::F32)
    else {
        let problem = "tensor `rope_freqs.weight` is not stored as F32";
        return Err(Error::malformed(file.path(), problem));
    };
    let words = file.tensor_bytes(tensor).as_chunks().0;
    Ok(words.iter().map(|&word| f32::from_le_bytes(word)).collect())
}

struct Llama3 {
    factor: f32,
    high: f32,
    original: f32,
}

impl Llama3 {
    /// The arithmetic of llama.cpp's converter, in its precision.
    fn gives(&self, found: &[f32], theta: f32, head_dim: f32) -> bool {
        let near = |(at, found): (usize, &f32)| {
            let frequency = 1.0 / theta.powf(2.0 * at as f32 / head_dim);
            let wavelength = 2.0 * PI / frequency;
            let factor = if wavelength < self.original / self.high {
                1.0
            } else if wavelength > self.original {
                self.factor
            } else {
                let smooth = (self.original / wavelength - 1.0) / (self.high - 1.0);
                1.0 / ((1.0 - smooth) / self.factor + smooth)
            };
            (factor / found - 1.0).abs() < TOLERANCE
        };
        found.iter().enumerate().all(near)
    }
}
