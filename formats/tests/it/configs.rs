//! `config.json` against what transformers 4 and 5 wrote and read (see `golden/config/record.py`).

use std::path::Path;

use formats::{Architecture, Dtype, ModelConfig, Rope, RopeScaling};
use serde_json::{Map, Value, json};

use crate::golden;
use crate::sentences::says;

fn parse(value: &Value) -> formats::Result<ModelConfig> {
    ModelConfig::parse(&value.to_string(), Path::new("config.json"))
}

/// The figures under transformers' names.
fn figures(config: &ModelConfig) -> Map<String, Value> {
    let figures = json!({
        "architecture": config.architecture.class_name(),
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_position_embeddings,
        "rms_norm_eps": config.rms_norm_eps,
        "tie_word_embeddings": config.tie_word_embeddings,
        "initializer_range": config.initializer_range,
        "dtype": config.dtype.and_then(Dtype::torch_name),
        "bos_token_id": config.bos_token_id,
        "eos_token_ids": config.eos_token_ids,
        "pad_token_id": config.pad_token_id,
        "qkv_bias": config.qkv_bias,
        "o_bias": config.o_bias,
        "mlp_bias": config.mlp_bias,
        "qk_norm": config.architecture == Architecture::Qwen3,
        "attention_factor": config.rope.attention_factor(),
    });
    figures.as_object().unwrap().clone()
}

/// Every recorded figure equals ours; numbers are compared as numbers.
#[track_caller]
fn assert_figures(case: &str, config: &ModelConfig, recorded: &Value) {
    let ours = figures(config);
    for (key, theirs) in recorded.as_object().unwrap().iter().filter(|(key, _)| *key != "rope") {
        let same = match (ours[key].as_f64(), theirs.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * b.abs(),
            _ => ours[key] == *theirs,
        };
        assert!(same, "{case}: {key} is {}, transformers says {theirs}", ours[key]);
    }
    assert_rope(case, &config.rope, &recorded["rope"]);
}

#[track_caller]
fn assert_rope(case: &str, rope: &Rope, recorded: &Value) {
    let number = |key: &str| recorded[key].as_f64();
    assert_eq!(Some(rope.theta), number("rope_theta"), "{case}");
    let kind = match &rope.scaling {
        RopeScaling::Default => "default",
        RopeScaling::Linear { factor } => {
            assert_eq!(Some(*factor), number("factor"), "{case}");
            "linear"
        }
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        } => {
            assert_eq!(Some(*factor), number("factor"), "{case}");
            assert_eq!(Some(*low_freq_factor), number("low_freq_factor"), "{case}");
            assert_eq!(Some(*high_freq_factor), number("high_freq_factor"), "{case}");
            let original = recorded["original_max_position_embeddings"].as_u64().unwrap();
            assert_eq!(*original_max_position_embeddings as u64, original, "{case}");
            "llama3"
        }
        RopeScaling::Yarn {
            factor,
            original_max_position_embeddings,
            beta_fast,
            beta_slow,
            mscale,
            mscale_all_dim,
            truncate,
            ..
        } => {
            assert_eq!(Some(*factor), number("factor"), "{case}");
            assert_eq!(*beta_fast, number("beta_fast").unwrap_or(32.0), "{case}");
            assert_eq!(*beta_slow, number("beta_slow").unwrap_or(1.0), "{case}");
            assert_eq!(*mscale, number("mscale"), "{case}");
            assert_eq!(*mscale_all_dim, number("mscale_all_dim"), "{case}");
            assert_eq!(*truncate, recorded["truncate"].as_bool().unwrap_or(true), "{case}");
            let original = recorded["original_max_position_embeddings"].as_u64().unwrap();
            assert_eq!(*original_max_position_embeddings as u64, original, "{case}");
            "yarn"
        }
    };
    assert_eq!(kind, recorded["rope_type"], "{case}");
}

#[test]
fn files_of_transformers_4_and_5_mean_what_transformers_says() {
    let expected = golden::object("config/expected.v5.json");
    for version in ["v4", "v5"] {
        let saved = golden::object(&format!("config/saved.{version}.json"));
        assert_eq!(saved.len(), expected.len());
        for (case, file) in &saved {
            let config = parse(file).unwrap_or_else(|error| panic!("{case} {version}: {error}"));
            assert_figures(&format!("{case} {version}"), &config, &expected[case]);
        }
    }
}

#[test]
fn both_transformers_read_our_files_as_we_do() {
    let saved = golden::object("config/saved.v5.json");
    let written = golden::object("config/written.json");
    let read_back = ["v4", "v5"].map(|v| golden::object(&format!("config/read_back.{v}.json")));
    for (case, file) in &saved {
        let config = parse(file).unwrap();
        let ours = config.to_json();
        assert_eq!(Some(&ours), written.get(case), "{case}: written.json is stale: {ours}");
        assert_eq!(parse(&ours).unwrap(), config, "{case}");
        for read_back in &read_back {
            assert_figures(case, &config, &read_back[case]);
        }
    }
}

/// The smallest file that is accepted.
fn minimal() -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"],
        "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
        "num_attention_heads": 4
    })
}

/// The smallest file with `changes` made; `null` takes a field away.
fn with(changes: Value) -> Value {
    let mut config = minimal();
    for (key, value) in changes.as_object().unwrap() {
        config[key.as_str()] = value.clone();
    }
    config
}

/// Files as they lie on the hub, older than any `transformers` in the golden files.
#[test]
fn older_files_are_read_too() {
    let qwen25 = parse(&json!({
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
        "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 896, "initializer_range": 0.02,
        "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 21,
        "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
        "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
        "transformers_version": "4.43.1", "use_cache": true, "use_mrope": false,
        "use_sliding_window": false, "vocab_size": 151936
    }))
    .unwrap();
    assert_eq!((qwen25.head_dim, qwen25.dtype), (64, Some(Dtype::BF16)));
    let smollm2 = parse(&json!({
        "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "silu", "hidden_size": 576,
        "initializer_range": 0.041666666666666664, "intermediate_size": 1536,
        "is_llama_config": true, "max_position_embeddings": 8192, "model_type": "llama",
        "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
        "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false,
        "rope_scaling": null, "rope_theta": 100000, "tie_word_embeddings": true,
        "torch_dtype": "bfloat16", "transformers_version": "4.40.1", "use_cache": true,
        "vocab_size": 49152
    }))
    .unwrap();
    assert_eq!((smollm2.head_dim, smollm2.eos_token_ids), (64, vec![0]));
    assert_eq!(smollm2.rope, Rope::plain(100_000.0));
}

#[test]
fn absent_fields_take_the_class_defaults() {
    let config = parse(&minimal()).unwrap();
    assert_eq!(config.num_key_value_heads, 4);
    assert_eq!(config.head_dim, 4);
    assert_eq!(config.max_position_embeddings, 32_768);
    assert_eq!(config.rms_norm_eps, 1e-6);
    assert_eq!(config.rope, Rope::plain(10_000.0));
    assert!(!config.tie_word_embeddings && config.qkv_bias && !config.o_bias && !config.mlp_bias);
    assert_eq!((config.bos_token_id, config.eos_token_ids), (None, vec![]));

    let by_type = with(json!({"architectures": null, "model_type": "llama"}));
    let llama = parse(&by_type).unwrap();
    assert_eq!(llama.architecture, Architecture::Llama);
    assert_eq!((llama.bos_token_id, llama.eos_token_ids), (Some(1), vec![2]));
    assert_eq!(llama.max_position_embeddings, 2_048);

    let qwen3 = parse(&with(json!({"architectures": ["Qwen3ForCausalLM"]}))).unwrap();
    assert_eq!(qwen3.head_dim, 128);
}

#[test]
fn spellings_of_the_same_thing_are_accepted() {
    let same = |changes: Value| parse(&with(changes)).unwrap();
    assert_eq!(same(json!({"torch_dtype": "bfloat16"})).dtype, Some(Dtype::BF16));
    assert_eq!(same(json!({"dtype": "torch.float16"})).dtype, Some(Dtype::F16));
    assert_eq!(same(json!({"dtype": "auto"})).dtype, None);
    assert_eq!(same(json!({"eos_token_id": [3, 4]})).eos_token_ids, [3, 4]);
    assert_eq!(same(json!({"eos_token_id": 3})).eos_token_ids, [3]);
    assert_eq!(same(json!({"pad_token_id": -1})).pad_token_id, None);
    assert_eq!(same(json!({"hidden_size": 16.0})).hidden_size, 16);
    assert_eq!(same(json!({"hidden_act": "swish"})).hidden_size, 16);
    let linear = Rope { theta: 5e5, scaling: RopeScaling::Linear { factor: 2.0 } };
    for rope in [
        json!({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2}}),
        json!({"rope_theta": 5e5, "rope_scaling": {"rope_type": "linear", "type": "x", "factor": 2}}),
        json!({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500000}}),
        json!({"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2.0,
               "rope_theta": 5e5}, "sliding_attention": {"rope_type": "dynamic"}}}),
        json!({"rope_theta": 5e5, "rope_scaling": {},
               "rope_parameters": {"type": "linear", "factor": 2.0}}),
    ] {
        assert_eq!(same(rope.clone()).rope, linear, "{rope}");
    }
}

#[test]
fn a_window_that_no_layer_uses_is_harmless() {
    for unused in [
        json!({"sliding_window": 4096}),
        json!({"sliding_window": 4096, "use_sliding_window": false, "max_window_layers": 1}),
        json!({"sliding_window": 4096, "use_sliding_window": true, "max_window_layers": 3}),
        json!({"sliding_window": null, "use_sliding_window": true, "max_window_layers": 0}),
        json!({"sliding_window": 4096, "use_sliding_window": true, "max_window_layers": 0,
               "layer_types": ["full_attention", "full_attention", "full_attention"]}),
    ] {
        assert!(parse(&with(unused.clone())).is_ok(), "{unused}");
    }
}

#[test]
fn yarn_fills_in_what_the_file_leaves_open() {
    let yarn = |scaling: Value| {
        let file = json!({"max_position_embeddings": 400, "rope_scaling": scaling});
        parse(&with(file)).unwrap().rope.scaling
    };
    let RopeScaling::Yarn { factor, original_max_position_embeddings, beta_fast, .. } =
        yarn(json!({"rope_type": "yarn", "factor": null, "beta_fast": 0,
                    "original_max_position_embeddings": 100}))
    else {
        panic!("expected yarn")
    };
    assert_eq!((factor, original_max_position_embeddings, beta_fast), (4.0, 100, 32.0));
    let RopeScaling::Yarn { original_max_position_embeddings, attention_factor, .. } =
        yarn(json!({"rope_type": "yarn", "factor": 0.5}))
    else {
        panic!("expected yarn")
    };
    assert_eq!((original_max_position_embeddings, attention_factor), (400, 1.0));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let cases: &[(Value, &[&str])] = &[
        (
            json!({"architectures": ["MistralForCausalLM"]}),
            &["MistralForCausalLM", "Qwen2ForCausalLM"],
        ),
        (json!({"architectures": null, "model_type": "mistral"}), &["architecture mistral"]),
        (
            json!({"architectures": ["Qwen3MoeForCausalLM"]}),
            &["Qwen3MoeForCausalLM", "mixture of experts"],
        ),
        (json!({"architectures": ["MixtralForCausalLM"]}), &["mixture of experts"]),
        (
            json!({"architectures": ["Qwen2ForSequenceClassification"]}),
            &["Qwen2ForSequenceClassification"],
        ),
        (json!({"num_experts": 8}), &["`num_experts`", "mixture of experts"]),
        (json!({"num_local_experts": 8}), &["`num_local_experts`"]),
        (
            json!({"quantization_config": {"quant_method": "gptq", "bits": 4}}),
            &["gptq", "wardrobe dequantize"],
        ),
        (json!({"quantization_config": {"bits": 4}}), &["unnamed weights"]),
        (json!({"hidden_act": "gelu"}), &["`hidden_act` \"gelu\"", "silu"]),
        (
            json!({"use_sliding_window": true, "sliding_window": 64, "max_window_layers": 2}),
            &["`use_sliding_window`", "64 tokens", "layers 2 to 2"],
        ),
        (
            json!({"layer_types": ["full_attention", "sliding_attention", "full_attention"]}),
            &["`layer_types` \"sliding_attention\" (layer 1)"],
        ),
        (
            json!({"layer_types": ["linear_attention", "full_attention", "full_attention"]}),
            &["\"linear_attention\" (layer 0)"],
        ),
        (
            json!({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}),
            &["rope type \"dynamic\"", "llama3 or yarn"],
        ),
        (json!({"rope_scaling": {"type": "longrope"}}), &["rope type \"longrope\""]),
        (
            json!({"rope_parameters": {"rope_type": "proportional"}}),
            &["rope type \"proportional\""],
        ),
        (
            json!({"rope_scaling": {"type": "mrope", "mrope_section": [1]}}),
            &["rope type \"mrope\""],
        ),
        (json!({"partial_rotary_factor": 0.5}), &["`partial_rotary_factor` 0.5"]),
        (
            json!({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.25}}),
            &["`partial_rotary_factor` 0.25"],
        ),
    ];
    for (changes, parts) in cases {
        let mut parts = parts.to_vec();
        parts.extend(["config.json", "is not supported"]);
        says(parse(&with(changes.clone())), &parts);
    }
}

#[test]
fn wrong_values_are_named_with_what_was_expected() {
    let cases: &[(Value, &[&str])] = &[
        (json!({"hidden_size": null}), &["`hidden_size` is missing", "from 1 to 1048576"]),
        (json!({"hidden_size": 0}), &["`hidden_size` must be a whole number from 1", "found 0"]),
        (json!({"hidden_size": -8}), &["`hidden_size`", "found -8"]),
        (json!({"hidden_size": 16.5}), &["`hidden_size`", "found 16.5"]),
        (json!({"hidden_size": "16"}), &["`hidden_size`", "found \"16\""]),
        (json!({"vocab_size": 18_446_744_073_709_551_615u64}), &["`vocab_size`", "16777216"]),
        (json!({"num_hidden_layers": 1e30}), &["`num_hidden_layers`", "4096"]),
        (json!({"num_key_value_heads": 3}), &["`num_attention_heads` is 4", "multiple", "3"]),
        (json!({"num_key_value_heads": 8}), &["`num_key_value_heads`", "from 1 to 4", "found 8"]),
        (json!({"hidden_size": 18}), &["`hidden_size` is 18", "multiple", "`head_dim`"]),
        (json!({"head_dim": 5}), &["`head_dim` is 5", "even"]),
        (json!({"rms_norm_eps": 0}), &["`rms_norm_eps` must be a number above 0", "found 0"]),
        (json!({"tie_word_embeddings": "yes"}), &["`tie_word_embeddings` must be true or false"]),
        (json!({"torch_dtype": "int8"}), &["`torch_dtype`", "bfloat16", "\"int8\""]),
        (json!({"eos_token_id": [1, "x"]}), &["`eos_token_id` must be a list of token ids"]),
        (json!({"eos_token_id": -2}), &["`eos_token_id`", "found -2"]),
        (json!({"architectures": null}), &["neither `architectures` nor `model_type`"]),
        (json!({"model_type": "qwen3"}), &["Qwen2ForCausalLM", "qwen3", "belong together"]),
        (json!({"layer_types": ["full_attention"]}), &["`layer_types` lists 1 layers", "is 3"]),
        (json!({"rope_theta": -1}), &["`rope_theta`", "above 0"]),
        (json!({"rope_scaling": {"rope_type": "linear"}}), &["`rope_scaling.factor` is missing"]),
        (json!({"rope_scaling": {"rope_type": 3}}), &["`rope_scaling.rope_type` must be a string"]),
        (
            json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0,
                "high_freq_factor": 1.0}}),
            &["`rope_scaling.high_freq_factor` is 1", "above", "4"],
        ),
        (
            json!({"rope_parameters": {"rope_type": "yarn", "factor": -2}}),
            &["`rope_parameters.factor`"],
        ),
    ];
    for (changes, parts) in cases {
        says(parse(&with(changes.clone())), parts);
    }
    let text = |json: &str| ModelConfig::parse(json, Path::new("config.json"));
    says(text("{\"hidden_size\": 1"), &["not valid JSON", "cut short"]);
    says(text("[1]"), &["a JSON object", "found [1]"]);
}

#[test]
fn a_missing_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    says(ModelConfig::read(dir.path()), &["config.json"]);
}
