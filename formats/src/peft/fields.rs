//! The fields of `adapter_config.json` that need more than a type: lists or words or patterns.

use serde_json::Value;

use super::config::{Bias, InitLoraWeights, TargetModules};
use super::pattern::ModulePattern;
use crate::Result;
use crate::fields::{Fields, brief, whole};

/// Far above any useful rank; products with it cannot overflow.
pub(super) const MAX_RANK: usize = 1 << 20;
const MAX_LAYER: usize = 1 << 20;

/// PEFT's default for Llama, Qwen2 and Qwen3 where a file names no target.
const DEFAULT_TARGETS: [&str; 2] = ["q_proj", "v_proj"];

pub(super) fn dropout(file: &Fields<'_>) -> Result<f64> {
    let read = |value: &Value| value.as_f64().filter(|p| (0.0..1.0).contains(p));
    Ok(file.typed("lora_dropout", "a number from 0 to below 1", read)?.unwrap_or(0.0))
}

pub(super) fn bias(file: &Fields<'_>) -> Result<Bias> {
    let read = |value: &Value| match value.as_str()? {
        "none" => Some(Bias::None),
        "all" => Some(Bias::All),
        "lora_only" => Some(Bias::LoraOnly),
        _ => None,
    };
    Ok(file.typed("bias", "\"none\", \"all\" or \"lora_only\"", read)?.unwrap_or(Bias::None))
}

pub(super) fn target_modules(file: &Fields<'_>) -> Result<TargetModules> {
    match modules(file, "target_modules")? {
        Some(TargetModules::Regex(word)) if word.source().eq_ignore_ascii_case("all-linear") => {
            Ok(TargetModules::AllLinear)
        }
        Some(modules) => Ok(modules),
        None => Ok(TargetModules::List(DEFAULT_TARGETS.map(str::to_owned).to_vec())),
    }
}

/// Empty counts as absent, as in PEFT.
pub(super) fn exclude_modules(file: &Fields<'_>) -> Result<Option<TargetModules>> {
    let modules = modules(file, "exclude_modules")?;
    Ok(modules.filter(|modules| match modules {
        TargetModules::List(names) => !names.is_empty(),
        TargetModules::Regex(pattern) => !pattern.source().is_empty(),
        TargetModules::AllLinear => true,
    }))
}

/// A string is a pattern, a list is names.
fn modules(file: &Fields<'_>, key: &str) -> Result<Option<TargetModules>> {
    match file.value(key) {
        None => Ok(None),
        Some(Value::String(source)) => {
            let pattern = ModulePattern::whole(source);
            let pattern = pattern.map_err(|error| bad_pattern(file, key, source, &error))?;
            Ok(Some(TargetModules::Regex(pattern)))
        }
        Some(Value::Array(_)) => Ok(file.strings(key)?.map(TargetModules::List)),
        Some(other) => {
            let problem = format!("must be a list of names or one pattern, found {}", brief(other));
            Err(file.problem(key, &problem))
        }
    }
}

/// One number or a list; empty for "all layers".
pub(super) fn layers_to_transform(file: &Fields<'_>) -> Result<Vec<usize>> {
    let layer = |value: &Value| whole(value).filter(|&layer| layer <= MAX_LAYER);
    let read = |value: &Value| match value {
        Value::Array(items) => items.iter().map(layer).collect(),
        one => layer(one).map(|layer| vec![layer]),
    };
    let layers = file.typed("layers_to_transform", "a layer number or a list of them", read)?;
    Ok(layers.unwrap_or_default())
}

/// A list of patterns, or one alone.
pub(super) fn patterns(
    file: &Fields<'_>,
    key: &str,
    compile: fn(&str) -> Result<ModulePattern, String>,
) -> Result<Vec<ModulePattern>> {
    let sources = file.strings(key)?.unwrap_or_default();
    let compiled = sources
        .iter()
        .filter(|source| !source.is_empty())
        .map(|source| compile(source).map_err(|error| bad_pattern(file, key, source, &error)));
    compiled.collect()
}

pub(super) fn rank_pattern(file: &Fields<'_>) -> Result<Vec<(ModulePattern, usize)>> {
    let expected = format!("a rank from 1 to {MAX_RANK}");
    by_module(file, "rank_pattern", &expected, |value| {
        whole(value).filter(|rank| (1..=MAX_RANK).contains(rank))
    })
}

pub(super) fn alpha_pattern(file: &Fields<'_>) -> Result<Vec<(ModulePattern, f64)>> {
    by_module(file, "alpha_pattern", "a number", |value| value.as_f64().filter(|a| a.is_finite()))
}

/// An object of pattern to number, in file order: the first match wins.
fn by_module<T>(
    file: &Fields<'_>,
    key: &str,
    expected: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<(ModulePattern, T)>> {
    let Some(object) = file.object(key)? else { return Ok(Vec::new()) };
    let entries = object.iter().map(|(source, value)| {
        let pattern = ModulePattern::ending(source)
            .map_err(|error| bad_pattern(file, key, source, &error))?;
        let value = read(value).ok_or_else(|| {
            let found = brief(value);
            file.problem(key, &format!("gives `{source}` {found}, expected {expected}"))
        })?;
        Ok((pattern, value))
    });
    entries.collect()
}

/// Values seen here have passed [`super::refuse`], so any other string is a kind that is harmless.
pub(super) fn init_lora_weights(file: &Fields<'_>) -> Result<InitLoraWeights> {
    let read = |value: &Value| match value {
        Value::Bool(true) => Some(InitLoraWeights::Default),
        Value::Bool(false) => Some(InitLoraWeights::Random),
        Value::String(name) => Some(InitLoraWeights::Named(name.clone())),
        _ => None,
    };
    let found = file.typed("init_lora_weights", "true, false or the name of a method", read)?;
    Ok(found.unwrap_or(InitLoraWeights::Default))
}

fn bad_pattern(file: &Fields<'_>, key: &str, source: &str, error: &str) -> crate::Error {
    file.problem(key, &format!("holds `{source}`, which is no valid regular expression ({error})"))
}
