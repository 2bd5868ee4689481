//! Adapters that are broken, unsupported or at odds with themselves or the base: each is refused with
//! one sentence that says what is wrong.

use crate::tiny::{checkpoint, golden};
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use tempfile::TempDir;
use wardrobe::adapters::{BaseInfo, BaseMatch, LoadedAdapter, load};

const Q0: &str = "base_model.model.model.layers.0.self_attn.q_proj";

/// A copy of a golden adapter, to be spoilt, and the base that the adapter is for.
struct Spoilt {
    folder: TempDir,
    base: BaseInfo,
    _model: TempDir,
}

impl Spoilt {
    fn of(case: &str) -> Self {
        let base = match () {
            () if case.contains("tied") => "qwen3_tied_gqa1",
            () if case.starts_with("bias") => "qwen2_tied_gqa7",
            () => "qwen3_untied_gqa2",
        };
        Self::on(case, base)
    }

    fn on(case: &str, base: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            fs_err::copy(golden("adapters", case).join(file), folder.path().join(file)).unwrap();
        }
        let model = checkpoint(&golden("model", base));
        let base = BaseInfo::open(model.path(), base).unwrap();
        Self { folder, base, _model: model }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes fields of the config.
    fn config(self, fields: Value) -> Self {
        let path = self.path().join("adapter_config.json");
        let mut config: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
        for (key, value) in fields.as_object().unwrap() {
            config[key] = value.clone();
        }
        fs_err::write(path, config.to_string()).unwrap();
        self
    }

    /// Changes the table of tensors.
    fn tensors(self, change: impl FnOnce(&mut HashMap<String, Tensor>)) -> Self {
        let path = self.path().join("adapter_model.safetensors");
        let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        change(&mut tensors);
        candle_core::safetensors::save(&tensors, path).unwrap();
        self
    }

    fn set(self, name: &str, shape: &[usize], value: f32) -> Self {
        let tensor = Tensor::full(value, shape, &Device::Cpu).unwrap();
        self.tensors(|tensors| drop(tensors.insert(name.into(), tensor)))
    }

    fn without(self, name: &str) -> Self {
        self.tensors(|tensors| drop(tensors.remove(name).unwrap()))
    }

    fn load(&self) -> LoadedAdapter {
        load(self.path(), &self.base).unwrap()
    }

    /// The whole sentence, less the folder that begins it.
    fn refusal(&self) -> String {
        let refusal = load(self.path(), &self.base).map(|_| ()).unwrap_err().to_string();
        let folder = self.path().display().to_string();
        let rest = refusal.strip_prefix(&folder).unwrap_or_else(|| panic!("no folder: {refusal}"));
        rest.trim_start_matches([':', ' ']).into()
    }

    #[track_caller]
    fn is_refused(&self, sentence: &str) {
        assert_eq!(self.refusal(), sentence);
    }
}

#[test]
fn rank_in_config_and_tensors_must_agree() {
    let sentence = |config, tensors| {
        format!(
            "adapter_config.json gives model.layers.0.self_attn.q_proj rank {config} but its \
             tensors have rank {tensors}; the two files do not belong together"
        )
    };
    let other_config = Spoilt::of("lora_default_targets").config(json!({ "r": 16 }));
    other_config.is_refused(&sentence(16, 4));
    let other_b =
        Spoilt::of("lora_default_targets").set(&format!("{Q0}.lora_B.weight"), &[128, 3], 0.1);
    other_b.is_refused(&sentence(4, 3));
}

#[test]
fn an_adapter_of_another_base_is_refused_with_both_shapes() {
    Spoilt::on("lora_default_targets", "qwen3_tied_gqa1").is_refused(
        "tensor `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight` has shape [4, 64] \
         but the base model needs [4, 96]; the adapter was trained on another model (it names \
         tiny/qwen3_untied_gqa2)",
    );
    // The same widths, but the adapter has a layer more.
    let deeper = "base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight";
    Spoilt::of("lora_default_targets").set(deeper, &[4, 64], 0.1).is_refused(
        "tensor `base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight` has no place in the \
         base model under adapter_config.json (targets: q_proj, v_proj; the base has 2 layers); \
         nothing is ignored, so the adapter is refused",
    );
    let resized =
        Spoilt::of("save_embed").set("base_model.model.model.embed_tokens.weight", &[161, 64], 0.1);
    assert!(resized.refusal().contains("has shape [161, 64] but the base model needs [160, 64]"));
}

#[test]
fn every_targeted_module_needs_its_tensors() {
    Spoilt::of("lora_default_targets").without(&format!("{Q0}.lora_B.weight")).is_refused(
        "tensor `base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight` is missing although \
         adapter_config.json targets this module; the file is incomplete or belongs to another \
         adapter: save it again",
    );
    let cases = [
        ("dora", format!("{Q0}.lora_magnitude_vector"), "sets use_dora"),
        ("bias_all", "base_model.model.model.layers.1.self_attn.k_proj.bias".into(), "\"all\""),
        ("bias_lora_only", format!("{Q0}.base_layer.bias"), "sets bias to \"lora_only\""),
        ("save_head", "base_model.model.lm_head.weight".into(), "in modules_to_save"),
        ("embed", "base_model.model.model.embed_tokens.lora_embedding_B".into(), "targets this"),
    ];
    for (case, tensor, because) in cases {
        let refusal = Spoilt::of(case).without(&tensor).refusal();
        assert!(refusal.starts_with(&format!("tensor `{tensor}` is missing")), "{refusal}");
        assert!(refusal.contains(because), "{refusal}");
    }
}

#[test]
fn every_tensor_needs_a_place() {
    let fewer_targets =
        Spoilt::of("lora_default_targets").config(json!({ "target_modules": ["v_proj"] }));
    fewer_targets.is_refused(
        "tensor `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight` (and 3 more) has no \
         place in the base model under adapter_config.json (targets: v_proj; the base has 2 \
         layers); nothing is ignored, so the adapter is refused",
    );
    let unexpected_bias = Spoilt::of("bias_all").config(json!({ "bias": "none" })).refusal();
    assert!(unexpected_bias.contains("(its bias is \"none\")"), "{unexpected_bias}");
    let unexpected_magnitude = Spoilt::of("dora").config(json!({ "use_dora": false })).refusal();
    assert!(unexpected_magnitude.contains("lora_magnitude_vector"), "{unexpected_magnitude}");
    let base_weight = Spoilt::of("dora").set(&format!("{Q0}.base_layer.weight"), &[128, 64], 0.1);
    assert!(base_weight.refusal().contains("base_layer.weight"), "{}", base_weight.refusal());
    let twice = Spoilt::of("dora").set(&format!("{Q0}.lora_A.default.weight"), &[4, 64], 0.1);
    assert!(twice.refusal().contains("has no place"), "{}", twice.refusal());
    let stranger = Spoilt::of("dora").set("base_model.model.vision.lora_C", &[1], 0.1).refusal();
    assert!(stranger.contains("belongs to no LoRA adapter"), "{stranger}");
}

#[test]
fn values_must_be_finite_numbers() {
    let name = format!("{Q0}.lora_A.weight");
    let mut values = vec![0.5_f32; 4 * 64];
    values[70] = f32::NAN;
    let nan = Tensor::from_vec(values, (4, 64), &Device::Cpu).unwrap();
    let spoilt = Spoilt::of("lora_default_targets");
    let spoilt = spoilt.tensors(|tensors| drop(tensors.insert(name.clone(), nan)));
    spoilt.is_refused(&format!("tensor `{name}` holds NaN at index 70; the training run diverged"));
    let integers = Tensor::zeros((4, 64), DType::I64, &Device::Cpu).unwrap();
    let spoilt = Spoilt::of("lora_default_targets");
    let spoilt = spoilt.tensors(|tensors| drop(tensors.insert(name, integers)));
    assert!(spoilt.refusal().contains("is stored as I64, expected F32, F16 or BF16"));
}

#[test]
fn features_that_are_not_supported_are_named() {
    let norm = Spoilt::of("save_head").config(json!({ "modules_to_save": ["lm_head", "norm"] }));
    norm.is_refused(
        "`modules_to_save` with \"norm\" is not supported; only embed_tokens and lm_head can be \
         replaced whole; train the others through target_modules",
    );
    for (field, value) in [
        ("init_lora_weights", json!("pissa")),
        ("alora_invocation_tokens", json!([1, 2])),
        ("layer_replication", json!([[0, 2]])),
        ("trainable_token_indices", json!([1])),
        ("peft_type", json!("LOHA")),
    ] {
        let refusal = Spoilt::of("dora").config(json!({ field: value })).refusal();
        assert!(refusal.contains("is not supported"), "{field}: {refusal}");
    }
}

#[test]
fn damaged_and_missing_files_are_refused() {
    let spoilt = Spoilt::of("dora");
    let weights = spoilt.path().join("adapter_model.safetensors");
    let bytes = fs_err::read(&weights).unwrap();
    fs_err::write(&weights, &bytes[..bytes.len() - 10]).unwrap();
    assert!(spoilt.refusal().starts_with("/adapter_model.safetensors: "), "{}", spoilt.refusal());
    for cut in [0, 4, 8, 100] {
        fs_err::write(&weights, &bytes[..cut]).unwrap();
        assert!(load(spoilt.path(), &spoilt.base).is_err());
    }
    fs_err::rename(&weights, spoilt.path().join("adapter_model.bin")).unwrap();
    assert!(spoilt.refusal().contains("adapter_model.bin"), "{}", spoilt.refusal());

    fs_err::remove_file(spoilt.path().join("adapter_config.json")).unwrap();
    spoilt.is_refused("holds no adapter_config.json; expected an adapter folder as PEFT saves it");
    let nowhere = load(&spoilt.path().join("nowhere"), &spoilt.base).unwrap_err().to_string();
    assert!(
        nowhere.ends_with("is not a folder; expected an adapter folder with adapter_config.json")
    );
}

#[test]
fn an_adapter_that_targets_nothing_is_refused() {
    let spoilt = Spoilt::of("lora_default_targets")
        .config(json!({ "target_modules": ["wq", "wv"] }))
        .tensors(HashMap::clear);
    spoilt.is_refused(
        "adapter_config.json targets no linear of the base model (wq, wv); was it trained on \
         another architecture?",
    );
}

#[test]
fn one_tied_parameter_cannot_get_two_values() {
    let spoilt = Spoilt::of("embed_and_head_tied").set(
        "base_model.model.lm_head.base_layer.weight",
        &[160, 96],
        0.25,
    );
    spoilt.is_refused(
        "holds different weights for embed_tokens and lm_head, which are one and the same in the \
         base model; train them through modules_to_save, or on a base that does not tie them",
    );
}

#[test]
fn no_target_at_all_is_said_so() {
    let spoilt = Spoilt::of("lora_default_targets").config(json!({ "target_modules": [] }));
    let refused = load(spoilt.path(), &spoilt.base).unwrap_err().to_string();
    assert!(refused.contains("(targets: none; the base has"), "{refused}");
}

#[test]
fn a_base_that_is_not_the_named_one_is_warned_about() {
    let matched = |named: Value, own: Option<&str>| {
        let mut spoilt =
            Spoilt::of("lora_default_targets").config(json!({ "base_model_name_or_path": named }));
        spoilt.base.title = own.map(str::to_owned);
        let report = spoilt.load().report;
        (report.base_match, report.warnings.join("\n"))
    };
    let none = String::new();
    assert_eq!(matched(json!("org/Qwen3_untied_gqa2/"), None), (BaseMatch::Same, none.clone()));
    let llama = json!("meta-llama/Llama-3.1-8B");
    assert_eq!(matched(llama.clone(), Some("Llama-3.1-8B")), (BaseMatch::Same, none));
    let (base_match, warning) = matched(llama, None);
    assert_eq!(base_match, BaseMatch::Different);
    let said = "it names the base meta-llama/Llama-3.1-8B, loaded is qwen3_untied_gqa2;";
    assert!(warning.starts_with(said), "{warning}");
    for unnamed in [json!(null), json!("")] {
        let (base_match, warning) = matched(unnamed, None);
        assert_eq!(base_match, BaseMatch::Unnamed);
        assert!(warning.starts_with("it names no base"), "{warning}");
    }
}

#[test]
fn an_adapter_without_effect_is_told_apart() {
    assert!(!Spoilt::of("lora_default_targets").load().report.has_no_effect());
    let zero = |tensors: &mut HashMap<String, Tensor>| {
        for (_, tensor) in tensors.iter_mut().filter(|(name, _)| name.contains("lora_B")) {
            *tensor = tensor.zeros_like().unwrap();
        }
    };
    assert!(Spoilt::of("lora_default_targets").tensors(zero).load().report.has_no_effect());
    // With B zero, the trained biases and magnitudes still act.
    assert!(!Spoilt::of("bias_lora_only").tensors(zero).load().report.has_no_effect());
    assert!(!Spoilt::of("dora").tensors(zero).load().report.has_no_effect());
    let no_scale = Spoilt::of("lora_default_targets").config(json!({ "lora_alpha": 0 }));
    assert!(no_scale.load().report.has_no_effect());
    assert_eq!(no_scale.load().report.what_is_zero(), "lora_alpha is 0");
    let untrained = Spoilt::of("lora_default_targets").tensors(zero).load().report;
    assert_eq!(untrained.what_is_zero(), "every lora_A or lora_B is zero");
    let one = Spoilt::of("lora_default_targets").set(&format!("{Q0}.lora_B.weight"), &[128, 4], 0.);
    let warnings = one.load().report.warnings.join("\n");
    assert!(
        warnings.contains("1 of 4 modules change nothing, model.layers.0.self_attn.q_proj first"),
        "{warnings}"
    );
}
