//! Targets, ranks, scales and tensor names against what PEFT did (`golden/peft/record.py`).

use std::path::Path;

use formats::peft::{AdapterConfig, AdapterTensor, AdapterTensorName, ModulePattern};
use serde_json::{Map, Value};

use crate::golden;
use crate::sentences::says;

fn parse(value: &Value) -> AdapterConfig {
    AdapterConfig::parse(&value.to_string(), Path::new("adapter_config.json"))
        .unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// The recorded cases, and the names of each model's modules.
fn cases() -> (Map<String, Value>, Map<String, Value>) {
    let mut cases = golden::object("peft/cases.json");
    let modules = cases.remove("modules").unwrap();
    (cases, modules.as_object().unwrap().clone())
}

/// PEFT fails on a match that is not a linear layer or an embedding, so only these are compared.
fn can_wear(module: &str) -> bool {
    module.ends_with("_proj") || module.ends_with("lm_head") || module.ends_with("embed_tokens")
}

#[test]
fn the_same_modules_wear_the_same_rank_alpha_and_scale() {
    let (cases, modules) = cases();
    assert!(cases.len() >= 25);
    for (name, case) in &cases {
        let worn = case["worn"].as_object().unwrap();
        for form in ["given", "saved"] {
            let config = parse(&case[form]);
            let all = golden::strings(&modules[case["model"].as_str().unwrap()]);
            for module in all.into_iter().filter(|module| can_wear(module)) {
                let theirs = worn.get(module);
                assert_eq!(config.targets(module), theirs.is_some(), "{name} ({form}): {module}");
                let Some(theirs) = theirs else { continue };
                let ours = (config.rank_for(module) as f64, config.alpha_for(module));
                let figures = |i: usize| theirs[i].as_f64().unwrap();
                assert_eq!(ours, (figures(0), figures(1)), "{name} ({form}): {module}");
                assert_eq!(config.scale_for(module), figures(2), "{name} ({form}): {module}");
            }
        }
    }
}

#[test]
fn names_that_no_small_model_has_match_as_in_peft() {
    let matching = golden::object("peft/matching.json");
    for case in matching["targets"].as_array().unwrap() {
        let config = parse(&case["config"]);
        for (module, theirs) in case["names"].as_object().unwrap() {
            assert_eq!(config.targets(module), *theirs, "{module:?} with {}", case["config"]);
        }
    }
    for case in matching["patterns"].as_array().unwrap() {
        let keys = golden::strings(&case["keys"]);
        let ending = |key: &&str| ModulePattern::ending(key).unwrap();
        let patterns: Vec<ModulePattern> = keys.iter().map(ending).collect();
        for (module, theirs) in case["names"].as_object().unwrap() {
            let ours = patterns.iter().position(|pattern| pattern.matches(module));
            assert_eq!(ours.map(|i| i as u64), theirs.as_u64(), "{module} with {keys:?}");
        }
    }
}

/// A kind as the recording script names it.
fn kind_name(kind: &AdapterTensor) -> String {
    match kind {
        AdapterTensor::ModuleToSave { parameter } => format!("ModuleToSave {parameter}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_tensor_that_peft_saves_is_known_for_what_it_is() {
    let (cases, _) = cases();
    let mut kinds: Vec<String> = Vec::new();
    for (case, recorded) in &cases {
        let config = parse(&recorded["saved"]);
        for (name, theirs) in recorded["tensors"].as_object().unwrap() {
            let ours = AdapterTensorName::parse(name, &config, Path::new("f")).unwrap();
            let kind = kind_name(&ours.kind);
            assert_eq!(
                [ours.module, kind.clone()].as_slice(),
                golden::strings(theirs),
                "{case}: {name}"
            );
            kinds.push(kind);
        }
    }
    kinds.sort();
    kinds.dedup();
    let every = [
        "BaseWeight",
        "Bias",
        "EmbeddingA",
        "EmbeddingB",
        "LoraA",
        "LoraB",
        "LoraBBias",
        "Magnitude",
        "ModuleToSave bias",
        "ModuleToSave weight",
        "TrainingState",
    ];
    assert_eq!(kinds, every);
}

#[test]
fn other_spellings_that_peft_loads_are_taken_too() {
    let config = parse(&serde_json::json!({"peft_type": "LORA", "target_modules": ["q_proj"]}));
    let parse = |name: &str| AdapterTensorName::parse(name, &config, Path::new("f.safetensors"));
    let module = "model.layers.0.self_attn.q_proj";
    for (leaf, kind) in [
        ("lora_A.weight", AdapterTensor::LoraA),
        ("lora_A.default.weight", AdapterTensor::LoraA),
        ("lora_B.default.bias", AdapterTensor::LoraBBias),
        ("lora_magnitude_vector", AdapterTensor::Magnitude),
        ("lora_magnitude_vector.weight", AdapterTensor::Magnitude),
        ("lora_magnitude_vector.default.weight", AdapterTensor::Magnitude),
        ("lora_embedding_A.default", AdapterTensor::EmbeddingA),
        ("lora_monteclora_sampler.std_prior", AdapterTensor::TrainingState),
    ] {
        for prefix in ["base_model.model.", ""] {
            let parsed = parse(&format!("{prefix}{module}.{leaf}")).unwrap();
            assert_eq!((parsed.module.as_str(), parsed.kind), (module, kind.clone()), "{leaf}");
        }
    }
    for unknown in [
        "base_model.model.model.layers.0.self_attn.q_proj.lora_C.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.other.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.bias",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_diag",
        "base_model.model.model.layers.0.self_attn.q_proj.weight",
        "base_model.model.lm_head.weight",
        "base_model.model.lora_A.weight",
        "lora_A.weight",
        "weight",
        "",
    ] {
        says(parse(unknown), &["f.safetensors", "belongs to no LoRA adapter", unknown]);
    }
}
