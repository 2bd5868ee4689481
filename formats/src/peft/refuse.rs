//! What an `adapter_config.json` may ask for that would make the adapter compute something else here
//! than in PEFT. Each is refused by name: an ignored field would be a silently wrong model.

use std::path::Path;

use serde_json::{Map, Value};

use super::config::{AdapterConfig, TargetModules};
use crate::fields::{Fields, brief, is_unset};
use crate::{Error, Result};

/// Read into fields of [`AdapterConfig`].
const TYPED: [&str; 21] = [
    "alpha_pattern",
    "base_model_name_or_path",
    "bias",
    "ensure_weight_tying",
    "exclude_modules",
    "fan_in_fan_out",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_bias",
    "lora_dropout",
    "modules_to_save",
    "peft_type",
    "r",
    "rank_pattern",
    "revision",
    "target_modules",
    "task_type",
    "use_dora",
    "use_rslora",
];

/// Known to change nothing in a loaded adapter: provenance, settings of an initialisation that left
/// its result in A and B, of the backward pass, of sampling while training, or of a method that is
/// refused by its own switch.
const HARMLESS: [&str; 13] = [
    "auto_mapping",
    "corda_config",
    "eva_config",
    "inference_mode",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "merge_weights",
    "monteclora_config",
    "peft_version",
    "qalora_group_size",
    "runtime_config",
    "velora_config",
];

/// Fields that change the computation, and what to do about each.
const UNSUPPORTED: [(&str, &str); 9] = [
    (
        "alora_invocation_tokens",
        "train the adapter as plain LoRA (aLoRA acts on part of the prompt)",
    ),
    ("arrow_config", "load the adapters that it routes between one by one"),
    ("kasa_config", "train the adapter as plain LoRA (KaSA changes the base weights)"),
    ("layer_replication", "use an adapter for the base model's own layers"),
    ("megatron_config", "convert the adapter to ordinary linear layers"),
    ("target_parameters", "use an adapter that targets modules (this one targets bare parameters)"),
    ("trainable_token_indices", "save the whole embedding through modules_to_save instead"),
    ("use_bdlora", "expand its block-diagonal factors to plain LoRA"),
    ("use_qalora", "train the adapter as plain LoRA (QA-LoRA pools its input)"),
];

/// Initialisations that leave the base as it was.
const INIT_KEEPS_BASE: [&str; 4] = ["gaussian", "orthogonal", "eva", "mica"];

/// Other PEFT methods and other tasks than language modelling.
pub(super) fn other_kinds(file: &Fields<'_>) -> Result<()> {
    match file.str("peft_type")? {
        Some("LORA") => {}
        Some(other) => {
            let feature = format!("the PEFT method {other}");
            return Err(Error::unsupported(file.path(), feature, "use a LoRA adapter"));
        }
        None => {
            let problem = "is missing, expected \"LORA\"; is this PEFT's adapter_config.json?";
            return Err(file.problem("peft_type", problem));
        }
    }
    match file.str("task_type")? {
        None | Some("CAUSAL_LM") => Ok(()),
        Some(other) => {
            let feature = format!("`task_type` {other}");
            Err(Error::unsupported(file.path(), feature, "use an adapter for CAUSAL_LM"))
        }
    }
}

/// Known fields that change the computation and are set.
pub(super) fn unsupported_fields(file: &Fields<'_>) -> Result<()> {
    for (key, advice) in UNSUPPORTED {
        if let Some(value) = file.value(key).filter(|value| !is_unset(value)) {
            let feature = format!("`{key}` {}", brief(value));
            return Err(Error::unsupported(file.path(), feature, advice));
        }
    }
    let Some(init) = file.value("init_lora_weights").and_then(Value::as_str) else {
        return Ok(());
    };
    if INIT_KEEPS_BASE.contains(&init.to_lowercase().as_str()) {
        return Ok(());
    }
    Err(Error::unsupported(
        file.path(),
        format!("`init_lora_weights` \"{init}\", which changed the base model's weights,"),
        "save the adapter again in PEFT with save_pretrained(..., \
         path_initial_model_for_weight_conversion=...), which makes it plain LoRA",
    ))
}

/// PEFT computes with these two as they stand, and has defaults only where a line is missing.
pub(super) fn null_numbers(file: &Fields<'_>) -> Result<()> {
    for key in ["r", "lora_alpha"] {
        if file.mentions(key) && file.value(key).is_none() {
            let problem = "must be a number, found null; give the figure that the adapter was trained \
                           with, or remove the line for PEFT's default of 8";
            return Err(file.problem(key, problem));
        }
    }
    Ok(())
}

/// The remaining fields, kept; one that is set and unknown could change anything.
pub(super) fn other_fields(
    file: &Fields<'_>,
    object: &Map<String, Value>,
) -> Result<Map<String, Value>> {
    let mut other = Map::new();
    for (key, value) in object {
        let name = key.as_str();
        let known = HARMLESS.contains(&name) || UNSUPPORTED.iter().any(|(field, _)| *field == name);
        if TYPED.contains(&name) {
            continue;
        }
        if !known && !is_unset(value) {
            let feature = format!("the unknown field `{name}` (set to {})", brief(value));
            let advice = "it may change what the adapter computes; remove it from \
                          adapter_config.json if you are sure that it does not";
            return Err(Error::unsupported(file.path(), feature, advice));
        }
        other.insert(key.clone(), value.clone());
    }
    Ok(other)
}

/// Combinations that PEFT itself rejects.
pub(super) fn contradictions(config: &AdapterConfig, path: &Path) -> Result<()> {
    let listed = matches!(config.target_modules, TargetModules::List(_));
    let problem = if !listed && !config.layers_to_transform.is_empty() {
        "`layers_to_transform` needs `target_modules` as a list; PEFT rejects it with a pattern"
    } else if !config.layers_pattern.is_empty() && config.layers_to_transform.is_empty() {
        "`layers_pattern` is set without `layers_to_transform`; PEFT rejects one without the other"
    } else if config.lora_bias && config.use_dora {
        "`lora_bias` and `use_dora` are both true; PEFT rejects the two together"
    } else {
        return Ok(());
    };
    Err(Error::malformed(path, problem))
}
