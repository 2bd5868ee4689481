//! What a `config.json` may ask for that this program does not compute, each refused by its name.

use std::path::Path;

use serde_json::Value;

use crate::fields::Fields;
use crate::{Error, Result};

/// An architecture that is not among [`super::Architecture::ALL`].
pub(super) fn architecture(path: &Path, name: &str) -> Error {
    let lower = name.to_lowercase();
    let moe = ["moe", "mixtral", "deepseek_v2", "deepseekv2", "deepseek_v3", "deepseekv3"];
    let kind =
        if moe.iter().any(|part| lower.contains(part)) { " (a mixture of experts)" } else { "" };
    Error::unsupported(
        path,
        format!("the architecture {name}{kind}"),
        "use a model of Qwen2ForCausalLM, Qwen3ForCausalLM or LlamaForCausalLM",
    )
}

/// Weights that are not stored as floats.
pub(super) fn quantized(fields: &Fields<'_>) -> Result<()> {
    let Some(quantization) = fields.object("quantization_config")? else { return Ok(()) };
    let method = quantization.get("quant_method").and_then(Value::as_str).unwrap_or("unnamed");
    let advice = "turn it into F32, F16 or BF16 weights with `wardrobe dequantize`";
    let feature = format!("`quantization_config` ({method} weights)");
    Err(Error::unsupported(fields.path(), feature, advice))
}

/// Features that change the computation in any of the known architectures.
pub(super) fn unsupported_features(fields: &Fields<'_>) -> Result<()> {
    for key in ["num_experts", "num_local_experts", "n_routed_experts"] {
        if fields.value(key).and_then(Value::as_u64).is_some_and(|experts| experts > 1) {
            let advice = "use a dense model";
            let feature = format!("`{key}` (a mixture of experts)");
            return Err(Error::unsupported(fields.path(), feature, advice));
        }
    }
    match fields.str("hidden_act")? {
        None | Some("silu" | "swish") => Ok(()),
        Some(other) => Err(Error::unsupported(
            fields.path(),
            format!("`hidden_act` \"{other}\""),
            "use a model whose activation is silu",
        )),
    }
}

/// Sliding windows, by transformers' rules: `layer_types` decides where it is given; otherwise the
/// layers from `max_window_layers` on slide if `use_sliding_window` is true and a window is set.
/// A `sliding_window` that no layer uses is harmless.
pub(super) fn sliding_window(fields: &Fields<'_>, layers: usize) -> Result<()> {
    if let Some(types) = fields.strings("layer_types")? {
        return layer_types(fields, &types, layers);
    }
    let used = fields.bool("use_sliding_window")?.unwrap_or(false);
    let Some(window) = fields.count("sliding_window", 0, usize::MAX)? else { return Ok(()) };
    let from = fields.count("max_window_layers", 0, usize::MAX)?.unwrap_or(28);
    if used && from < layers {
        let feature = format!(
            "`use_sliding_window` (a window of {window} tokens in layers {from} to {})",
            layers - 1
        );
        let advice = "set it to false only if the model was trained without the window";
        return Err(Error::unsupported(fields.path(), feature, advice));
    }
    Ok(())
}

fn layer_types(fields: &Fields<'_>, types: &[String], layers: usize) -> Result<()> {
    if types.len() != layers {
        let problem = format!(
            "lists {} layers but `num_hidden_layers` is {layers}; they must agree",
            types.len()
        );
        return Err(fields.problem("layer_types", &problem));
    }
    let other = types.iter().enumerate().find(|(_, kind)| *kind != "full_attention");
    match other {
        None => Ok(()),
        Some((layer, kind)) => Err(Error::unsupported(
            fields.path(),
            format!("`layer_types` \"{kind}\" (layer {layer})"),
            "use a model whose layers are all full_attention",
        )),
    }
}
