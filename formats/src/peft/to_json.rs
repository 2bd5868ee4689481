//! Writing an `adapter_config.json` that PEFT's `LoraConfig.from_pretrained` reads.

use serde_json::{Map, Value, json};

use super::config::{AdapterConfig, Bias, InitLoraWeights, TargetModules};
use super::pattern::ModulePattern;

impl AdapterConfig {
    /// The configuration as PEFT saves it: every field by name, keys sorted.
    pub fn to_json(&self) -> Value {
        let mut fields: Vec<(String, Value)> =
            self.other.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        fields.extend(self.typed_fields().into_iter().map(|(key, value)| (key.to_owned(), value)));
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        Value::Object(fields.into_iter().collect::<Map<_, _>>())
    }

    fn typed_fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("alpha_pattern", by_module(&self.alpha_pattern, number)),
            ("base_model_name_or_path", json!(self.base_model_name_or_path)),
            ("bias", bias(self.bias)),
            ("ensure_weight_tying", json!(self.ensure_weight_tying)),
            ("exclude_modules", self.exclude_modules.as_ref().map_or(Value::Null, modules)),
            ("fan_in_fan_out", json!(self.fan_in_fan_out)),
            ("init_lora_weights", init(&self.init_lora_weights)),
            ("layers_pattern", sources(&self.layers_pattern)),
            ("layers_to_transform", none_if_empty(&self.layers_to_transform)),
            ("lora_alpha", number(self.alpha)),
            ("lora_bias", json!(self.lora_bias)),
            ("lora_dropout", json!(self.dropout)),
            ("modules_to_save", sources(&self.modules_to_save)),
            ("peft_type", json!("LORA")),
            ("r", json!(self.rank)),
            ("rank_pattern", by_module(&self.rank_pattern, |rank| json!(rank))),
            ("revision", json!(self.revision)),
            ("target_modules", modules(&self.target_modules)),
            ("task_type", json!(self.task_type)),
            ("use_dora", json!(self.use_dora)),
            ("use_rslora", json!(self.use_rslora)),
        ]
    }
}

fn bias(bias: Bias) -> Value {
    match bias {
        Bias::None => json!("none"),
        Bias::All => json!("all"),
        Bias::LoraOnly => json!("lora_only"),
    }
}

fn init(init: &InitLoraWeights) -> Value {
    match init {
        InitLoraWeights::Default => json!(true),
        InitLoraWeights::Random => json!(false),
        InitLoraWeights::Named(name) => json!(name),
    }
}

fn modules(modules: &TargetModules) -> Value {
    match modules {
        TargetModules::List(names) => json!(names),
        TargetModules::Regex(pattern) => json!(pattern.source()),
        TargetModules::AllLinear => json!("all-linear"),
    }
}

fn sources(patterns: &[ModulePattern]) -> Value {
    none_if_empty(&patterns.iter().map(ModulePattern::source).collect::<Vec<_>>())
}

fn none_if_empty<T: serde::Serialize>(items: &[T]) -> Value {
    if items.is_empty() { Value::Null } else { json!(items) }
}

fn by_module<T: Copy>(entries: &[(ModulePattern, T)], value: impl Fn(T) -> Value) -> Value {
    let entries = entries.iter().map(|(pattern, v)| (pattern.source().to_owned(), value(*v)));
    Value::Object(entries.collect::<Map<_, _>>())
}

/// Whole numbers without a decimal point, as PEFT's own files have them.
fn number(x: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // Whole and in range, so the conversion is exact.
    if x.fract() == 0.0 && x.abs() < EXACT { json!(x as i64) } else { json!(x) }
}
