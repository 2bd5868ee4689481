//! Configurations that we write, and what PEFT's `from_pretrained` makes of them.

use std::path::Path;

use formats::peft::AdapterConfig;
use serde_json::Value;

use crate::golden;

fn parse(value: &Value) -> AdapterConfig {
    AdapterConfig::parse(&value.to_string(), Path::new("adapter_config.json")).unwrap()
}

/// PEFT takes one layer for a list of one, and an empty list for none; we write lists or `null`.
fn as_list(key: &str, value: &Value) -> Value {
    match value {
        other if !key.starts_with("layers_") => other.clone(),
        Value::Null => Value::Array(Vec::new()),
        Value::Array(_) => value.clone(),
        one => Value::Array(vec![one.clone()]),
    }
}

#[test]
fn peft_reads_back_what_peft_had_saved() {
    let mut cases = golden::object("peft/cases.json");
    cases.remove("modules");
    let written = golden::object("peft/written.json");
    let read_back = golden::object("peft/read_back.json");
    for (case, recorded) in &cases {
        let config = parse(&recorded["saved"]);
        let ours = config.to_json();
        assert_eq!(Some(&ours), written.get(case), "{case}: written.json is stale: {ours}");
        assert_eq!(parse(&ours), config, "{case}");
        let keys: Vec<&String> = ours.as_object().unwrap().keys().collect();
        assert!(keys.is_sorted(), "{case}");
        for (key, theirs) in recorded["saved"].as_object().unwrap() {
            assert_eq!(as_list(key, &read_back[case][key]), as_list(key, theirs), "{case}: {key}");
        }
    }
}

#[test]
fn a_fresh_configuration_is_complete() {
    let targets = formats::peft::TargetModules::List(vec!["q_proj".to_owned()]);
    let config = AdapterConfig::new(16, 32.0, targets);
    let json = config.to_json();
    assert_eq!((&json["peft_type"], &json["r"]), (&"LORA".into(), &16.into()));
    assert_eq!(json["lora_alpha"].to_string(), "32");
    assert_eq!(parse(&json), config);
    assert_eq!(config.scale_for("model.layers.0.self_attn.q_proj"), 2.0);
}
