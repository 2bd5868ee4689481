//! The settings that a package states against the model's own: what weights cannot show and short
//! answers may not.

use super::{Error, Result};
use formats::{ModelConfig, RopeScaling};

/// How far numbers may lie apart that passed through single precision.
const ROUNDING: f64 = 1e-6;

/// Compares sizes, norm and rotation. Whether embedding and head are tied may differ: an adapter that
/// changes one of them unties them.
///
/// # Errors
/// [`Error::Disproven`] with the first setting that differs.
pub fn prove_config(model: &ModelConfig, package: &ModelConfig) -> Result<()> {
    let numbers = |config: &ModelConfig| {
        [
            ("number of layers", config.num_hidden_layers as f64),
            ("hidden size", config.hidden_size as f64),
            ("intermediate size", config.intermediate_size as f64),
            ("number of heads", config.num_attention_heads as f64),
            ("number of key-value heads", config.num_key_value_heads as f64),
            ("size of a head", config.head_dim as f64),
            ("norm's epsilon", config.rms_norm_eps),
            ("rope theta", config.rope.theta),
        ]
    };
    if model.architecture != package.architecture {
        let (ours, theirs) = (model.architecture, package.architecture);
        return Err(Error::Disproven(format!("its architecture is {theirs:?}, expected {ours:?}")));
    }
    for ((name, ours), (_, theirs)) in numbers(model).into_iter().zip(numbers(package)) {
        same(name, ours, theirs)?;
    }
    same_scaling(&model.rope.scaling, &package.rope.scaling)
}

fn same(name: &str, ours: f64, theirs: f64) -> Result<()> {
    if (ours - theirs).abs() <= ROUNDING * ours.abs() {
        return Ok(());
    }
    Err(Error::Disproven(format!("its {name} is {theirs}, expected {ours}")))
}

/// The kind and factor of a rope's scaling; finer settings are kept in other terms in a package.
fn same_scaling(ours: &RopeScaling, theirs: &RopeScaling) -> Result<()> {
    let factor = |scaling: &RopeScaling| match scaling {
        RopeScaling::Default => ("default", 1.0),
        RopeScaling::Linear { factor } => ("linear", *factor),
        RopeScaling::Llama3 { factor, .. } => ("llama3", *factor),
        RopeScaling::Yarn { factor, .. } => ("yarn", *factor),
    };
    let ((our_kind, our_factor), (their_kind, their_factor)) = (factor(ours), factor(theirs));
    if our_kind != their_kind || (our_factor - their_factor).abs() > 1e-3 * our_factor {
        return Err(Error::Disproven(format!(
            "its rope scaling is {their_kind} by {their_factor}, expected {our_kind} by {our_factor}"
        )));
    }
    Ok(())
}
