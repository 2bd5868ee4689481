//! Rotary position embedding: base and frequency scaling, with the defaults of transformers'
//! `modeling_rope_utils.py`. The frequencies themselves are computed where they are used.

use serde_json::{Map, Value};

use crate::fields::Fields;
use crate::{Error, Result};

/// What transformers assumes where a file names no base.
const DEFAULT_THETA: f64 = 10_000.0;
const MAX_POSITIONS: usize = 1 << 31;

/// Rotary embedding of a model: plain inverse frequencies `theta^(-2i / head_dim)`, then scaled.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the geometric series (`rope_theta`).
    pub theta: f64,
    /// How the frequencies are stretched for contexts beyond the training length.
    pub scaling: RopeScaling,
}

/// The scalings that transformers calls `rope_type`.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// None.
    Default,
    /// Every frequency divided by `factor`.
    Linear {
        /// At least 1 in practice; above 0 always.
        factor: f64,
    },
    /// Llama 3.1: low frequencies divided, high kept, blended between.
    Llama3 {
        /// Divides the low frequencies.
        factor: f64,
        /// Wavelengths above `original / low_freq_factor` are divided.
        low_freq_factor: f64,
        /// Wavelengths below `original / high_freq_factor` are kept; above `low_freq_factor`.
        high_freq_factor: f64,
        /// Context length of the first training, in tokens.
        original_max_position_embeddings: usize,
    },
    /// YaRN (<https://huggingface.co/papers/2309.00071>).
    Yarn {
        /// Divides the interpolated frequencies. Where the file says `null`, the ratio of
        /// `max_position_embeddings` to the original length.
        factor: f64,
        /// Context length of the first training, in tokens.
        original_max_position_embeddings: usize,
        /// Multiplies cos and sin; inferred from `factor`, `mscale` and `mscale_all_dim` where the file
        /// does not give it.
        attention_factor: f64,
        /// Rotations above which a frequency is kept (default 32).
        beta_fast: f64,
        /// Rotations below which a frequency is interpolated (default 1).
        beta_slow: f64,
        /// As written in the file; part of `attention_factor` already.
        mscale: Option<f64>,
        /// As written in the file; part of `attention_factor` already.
        mscale_all_dim: Option<f64>,
        /// Whether the ramp's ends are rounded outwards to whole dimensions (default true).
        truncate: bool,
    },
}

impl Rope {
    /// Plain rotary embedding.
    pub fn plain(theta: f64) -> Self {
        Self { theta, scaling: RopeScaling::Default }
    }

    /// What cos and sin are multiplied by: 1 except for YaRN.
    pub fn attention_factor(&self) -> f64 {
        match &self.scaling {
            RopeScaling::Yarn { attention_factor, .. } => *attention_factor,
            RopeScaling::Default | RopeScaling::Linear { .. } | RopeScaling::Llama3 { .. } => 1.0,
        }
    }

    /// From `rope_scaling` (transformers 4, wins if not empty) or `rope_parameters` (transformers 5),
    /// and `rope_theta` inside or beside it.
    pub(super) fn from_config(config: &Fields<'_>, max_positions: usize) -> Result<Self> {
        let empty = Map::new();
        let (object, prefix) =
            match (filled(config, "rope_scaling")?, filled(config, "rope_parameters")?) {
                (Some(scaling), _) => (scaling, "rope_scaling."),
                (None, Some(parameters)) => (parameters, "rope_parameters."),
                (None, None) => (&empty, "rope_parameters."),
            };
        let fields = config.inside(full_attention(object), prefix);
        refuse_partial(config)?;
        refuse_partial(&fields)?;
        let theta = match fields.positive("rope_theta")? {
            Some(theta) => theta,
            None => config.positive("rope_theta")?.unwrap_or(DEFAULT_THETA),
        };
        Ok(Self { theta, scaling: scaling(config, &fields, max_positions)? })
    }
}

/// An object that is there and not empty.
fn filled<'a>(config: &Fields<'a>, key: &str) -> Result<Option<&'a Map<String, Value>>> {
    Ok(config.object(key)?.filter(|object| !object.is_empty()))
}

/// Transformers 5 may nest the parameters by layer type; all our layers are of one type.
fn full_attention(object: &Map<String, Value>) -> &Map<String, Value> {
    object.get("full_attention").and_then(Value::as_object).unwrap_or(object)
}

fn refuse_partial(fields: &Fields<'_>) -> Result<()> {
    match fields.finite("partial_rotary_factor")? {
        None | Some(1.0) => Ok(()),
        Some(factor) => Err(Error::unsupported(
            fields.path(),
            format!("`partial_rotary_factor` {factor}"),
            "use a model that rotates whole heads",
        )),
    }
}

fn scaling(config: &Fields<'_>, fields: &Fields<'_>, max_positions: usize) -> Result<RopeScaling> {
    let kind = match fields.str("rope_type")? {
        Some(kind) => Some(kind),
        None => fields.str("type")?,
    };
    match kind.unwrap_or("default") {
        "default" => Ok(RopeScaling::Default),
        "linear" => Ok(RopeScaling::Linear { factor: required(fields, "factor")? }),
        "llama3" => llama3(config, fields, max_positions),
        "yarn" => yarn(config, fields, max_positions),
        other => Err(Error::unsupported(
            fields.path(),
            format!("the rope type \"{other}\""),
            "use a model with default, linear, llama3 or yarn rope",
        )),
    }
}

fn llama3(config: &Fields<'_>, fields: &Fields<'_>, max_positions: usize) -> Result<RopeScaling> {
    let low_freq_factor = required(fields, "low_freq_factor")?;
    let high_freq_factor = required(fields, "high_freq_factor")?;
    if high_freq_factor <= low_freq_factor {
        let problem = format!(
            "is {high_freq_factor}, which must be above `low_freq_factor`, {low_freq_factor}"
        );
        return Err(fields.problem("high_freq_factor", &problem));
    }
    Ok(RopeScaling::Llama3 {
        factor: required(fields, "factor")?,
        low_freq_factor,
        high_freq_factor,
        original_max_position_embeddings: original_positions(config, fields, max_positions)?,
    })
}

fn yarn(config: &Fields<'_>, fields: &Fields<'_>, max_positions: usize) -> Result<RopeScaling> {
    let original = original_positions(config, fields, max_positions)?;
    // Positions stay below 2^31, so both are exact in f64.
    let factor = fields.positive("factor")?.unwrap_or(max_positions as f64 / original as f64);
    let (mscale, mscale_all_dim) = (fields.finite("mscale")?, fields.finite("mscale_all_dim")?);
    let attention_factor = match fields.positive("attention_factor")? {
        Some(given) => given,
        None => inferred_attention_factor(factor, mscale, mscale_all_dim),
    };
    Ok(RopeScaling::Yarn {
        factor,
        original_max_position_embeddings: original,
        attention_factor,
        beta_fast: or_default(fields.finite("beta_fast")?, 32.0),
        beta_slow: or_default(fields.finite("beta_slow")?, 1.0),
        mscale,
        mscale_all_dim,
        truncate: fields.bool("truncate")?.unwrap_or(true),
    })
}

/// `get_mscale(factor, mscale) / get_mscale(factor, mscale_all_dim)` if both are set and not 0, else
/// `get_mscale(factor)` (transformers, `_compute_yarn_parameters`).
fn inferred_attention_factor(factor: f64, mscale: Option<f64>, all_dim: Option<f64>) -> f64 {
    let get_mscale =
        |mscale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * mscale * factor.ln() + 1.0 };
    match (mscale, all_dim) {
        (Some(mscale), Some(all_dim)) if mscale != 0.0 && all_dim != 0.0 => {
            get_mscale(mscale) / get_mscale(all_dim)
        }
        _ => get_mscale(1.0),
    }
}

/// Python's `value or default`: 0 counts as absent.
fn or_default(value: Option<f64>, default: f64) -> f64 {
    value.filter(|&value| value != 0.0).unwrap_or(default)
}

/// Beside the rope object (Phi-3's place, which wins), inside it, or the context length itself.
fn original_positions(config: &Fields<'_>, fields: &Fields<'_>, default: usize) -> Result<usize> {
    const KEY: &str = "original_max_position_embeddings";
    match config.count(KEY, 1, MAX_POSITIONS)? {
        Some(outer) => Ok(outer),
        None => Ok(fields.count(KEY, 1, MAX_POSITIONS)?.unwrap_or(default)),
    }
}

fn required(fields: &Fields<'_>, key: &str) -> Result<f64> {
    fields
        .positive(key)?
        .ok_or_else(|| fields.problem(key, "is missing; expected a number above 0"))
}
