//! Adapter configurations that would compute something else here than in PEFT: each refused by name.

use std::path::Path;

use formats::peft::{AdapterConfig, open_tensors};
use serde_json::{Value, json};

use crate::sentences::says;

/// A sound configuration with `changes` made.
fn parse(changes: &Value) -> formats::Result<AdapterConfig> {
    let mut config = json!({"peft_type": "LORA", "r": 8, "target_modules": ["q_proj"]});
    for (key, value) in changes.as_object().unwrap() {
        config[key.as_str()] = value.clone();
    }
    AdapterConfig::parse(&config.to_string(), Path::new("adapter_config.json"))
}

#[test]
fn unsupported_methods_are_named_with_what_to_do() {
    let cases: &[(Value, &[&str])] = &[
        (json!({"peft_type": "LOHA"}), &["PEFT method LOHA", "use a LoRA adapter"]),
        (json!({"task_type": "SEQ_CLS"}), &["`task_type` SEQ_CLS", "CAUSAL_LM"]),
        (
            json!({"alora_invocation_tokens": [1, 2]}),
            &["`alora_invocation_tokens` [1,2]", "plain LoRA"],
        ),
        (json!({"layer_replication": [[0, 2], [1, 3]]}), &["`layer_replication`"]),
        (json!({"use_qalora": true}), &["`use_qalora` true"]),
        (json!({"use_bdlora": {"nblocks": 2}}), &["`use_bdlora`", "block-diagonal"]),
        (json!({"arrow_config": {"top_k": 3}}), &["`arrow_config`"]),
        (json!({"kasa_config": {"beta": 1e-4}}), &["`kasa_config`", "base weights"]),
        (json!({"megatron_config": {"x": 1}}), &["`megatron_config`"]),
        (json!({"target_parameters": ["mlp.experts.gate_up_proj"]}), &["`target_parameters`"]),
        (
            json!({"trainable_token_indices": [5]}),
            &["`trainable_token_indices`", "modules_to_save"],
        ),
        (json!({"trainable_token_indices": {"embed_tokens": [5]}}), &["`trainable_token_indices`"]),
        (
            json!({"init_lora_weights": "pissa"}),
            &["\"pissa\"", "path_initial_model_for_weight_conversion"],
        ),
        (json!({"init_lora_weights": "pissa_niter_4"}), &["\"pissa_niter_4\""]),
        (json!({"init_lora_weights": "olora"}), &["\"olora\""]),
        (json!({"init_lora_weights": "corda"}), &["\"corda\""]),
        (json!({"init_lora_weights": "loftq"}), &["\"loftq\""]),
        (json!({"init_lora_weights": "lora_ga"}), &["\"lora_ga\""]),
        (json!({"init_lora_weights": "brand_new"}), &["\"brand_new\""]),
        (
            json!({"twisted": {"angle": 3}}),
            &["unknown field `twisted`", "{\"angle\":3}", "remove it"],
        ),
        (json!({"twist_factor": 0}), &["unknown field `twist_factor` (set to 0)"]),
    ];
    for (changes, parts) in cases {
        let mut parts = parts.to_vec();
        parts.extend(["adapter_config.json", "is not supported"]);
        says(parse(changes), &parts);
    }
}

#[test]
fn the_same_fields_unset_are_harmless() {
    for key in [
        "alora_invocation_tokens",
        "layer_replication",
        "use_qalora",
        "use_bdlora",
        "arrow_config",
        "kasa_config",
        "megatron_config",
        "target_parameters",
        "trainable_token_indices",
        "task_type",
        "a_field_of_a_later_version",
    ] {
        parse(&json!({key: null})).unwrap();
    }
    for unset in [json!(false), json!([]), json!({}), json!("")] {
        let config = parse(&json!({"a_field_of_a_later_version": unset.clone()})).unwrap();
        assert_eq!(config.other["a_field_of_a_later_version"], unset);
    }
}

#[test]
fn what_changes_nothing_in_a_loaded_adapter_is_kept() {
    let harmless = json!({
        "auto_mapping": {"base_model_class": "Qwen2ForCausalLM"}, "inference_mode": true,
        "peft_version": "0.21.2", "megatron_core": "megatron.core", "qalora_group_size": 16,
        "loftq_config": {"loftq_bits": 4}, "eva_config": {"rho": 2.0}, "corda_config": {"x": 1},
        "lora_ga_config": {"x": 1}, "velora_config": {"num_groups": 4},
        "monteclora_config": {"num_samples": 4}, "runtime_config": {"x": 1}, "merge_weights": true
    });
    let config = parse(&harmless).unwrap();
    assert_eq!(Value::Object(config.other), harmless);
    for init in [json!("gaussian"), json!("eva"), json!("orthogonal"), json!("mica"), json!(false)]
    {
        parse(&json!({"init_lora_weights": init})).unwrap();
    }
}

#[test]
fn wrong_values_are_named_with_what_was_expected() {
    let cases: &[(Value, &[&str])] = &[
        (json!({"peft_type": null}), &["`peft_type` is missing", "\"LORA\""]),
        (json!({"r": 0}), &["`r` must be a whole number from 1", "found 0"]),
        (json!({"r": 2_000_000}), &["`r`", "1048576"]),
        (json!({"r": "8"}), &["`r`", "found \"8\""]),
        (
            json!({"lora_alpha": null}),
            &["`lora_alpha` must be a number, found null", "remove the line"],
        ),
        (json!({"r": null}), &["`r` must be a number, found null"]),
        (json!({"lora_alpha": "x"}), &["`lora_alpha` must be a number"]),
        (json!({"lora_dropout": 1.0}), &["`lora_dropout`", "below 1"]),
        (json!({"bias": "some"}), &["`bias`", "\"lora_only\"", "\"some\""]),
        (json!({"use_dora": 1}), &["`use_dora` must be true or false"]),
        (
            json!({"target_modules": 3}),
            &["`target_modules` must be a list of names or one pattern"],
        ),
        (json!({"target_modules": ["a", 1]}), &["`target_modules` must be a list of strings"]),
        (json!({"target_modules": "(a"}), &["`target_modules` holds `(a`", "regular expression"]),
        (json!({"target_modules": "a)|(b"}), &["`target_modules` holds `a)|(b`"]),
        (json!({"exclude_modules": "["}), &["`exclude_modules` holds `[`"]),
        (json!({"modules_to_save": ["*"]}), &["`modules_to_save` holds `*`"]),
        (json!({"rank_pattern": {"(": 4}}), &["`rank_pattern` holds `(`"]),
        (json!({"rank_pattern": {"q": 0}}), &["`rank_pattern` gives `q` 0", "rank from 1"]),
        (json!({"alpha_pattern": {"q": "x"}}), &["`alpha_pattern` gives `q` \"x\"", "a number"]),
        (json!({"rank_pattern": [1]}), &["`rank_pattern` must be an object"]),
        (json!({"layers_to_transform": "1"}), &["`layers_to_transform`", "layer number"]),
        (json!({"layers_to_transform": [-1]}), &["`layers_to_transform`"]),
        (json!({"init_lora_weights": 3}), &["`init_lora_weights` must be"]),
        (
            json!({"target_modules": ".*q_proj", "layers_to_transform": [1]}),
            &["`layers_to_transform` needs `target_modules` as a list"],
        ),
        (json!({"layers_pattern": "layers"}), &["`layers_pattern` is set without"]),
        (json!({"lora_bias": true, "use_dora": true}), &["`lora_bias` and `use_dora`"]),
    ];
    for (changes, parts) in cases {
        says(parse(changes), parts);
    }
}

#[test]
fn a_pattern_that_backtracks_without_end_matches_nothing_and_returns() {
    let config = parse(&json!({"target_modules": r"(a+)+(?=b)\1c"})).unwrap();
    assert!(!config.targets(&"a".repeat(60)));
}

#[test]
fn only_safetensors_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    says(open_tensors(dir.path()), &["adapter_model.safetensors", "as PEFT saves it"]);
    fs_err::write(dir.path().join("adapter_model.bin"), "x").unwrap();
    says(open_tensors(dir.path()), &["adapter_model.bin", "safe_serialization=True"]);
    says(AdapterConfig::read(dir.path()), &["adapter_config.json"]);
}
