//! GGUF files of the bundled demo proven whole, and the ways in which such files go wrong.

use export::gguf::{FileType, GgufModel, GgufOptions, Provenance, write_gguf};
use export::merge::Combination;
use export::{DenseWeights, Merged, Weights};
use formats::peft::AdapterFiles;
use formats::{ModelConfig, whole};
use std::path::{Path, PathBuf};
use wardrobe::adapters::{BaseInfo, load};
use wardrobe::model::ModelFiles;
use wardrobe::proof::{Error, PackageProof, Served, prove_gguf};

fn bundled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints").join(name)
}

/// A copy of the bundled base, so that its files can be changed.
fn copied() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs_err::read_dir(bundled("initial")).unwrap() {
        let path = entry.unwrap().path();
        fs_err::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    dir
}

/// Writes the model in `dir` with so much of the bundled adapter merged on.
fn export(dir: &Path, adapter: f64, file_type: &str, out: &Path) {
    let config = ModelConfig::read(dir).unwrap();
    let base: Box<dyn Weights> = Box::new(DenseWeights::open(dir).unwrap());
    let files = AdapterFiles::map(&bundled("sft")).unwrap();
    let adapters = vec![(files, adapter)];
    let merged = Merged::new(base, &config, dir, adapters, &Combination::Sum).unwrap();
    let options = GgufOptions {
        file_type: FileType::from_name(file_type).unwrap(),
        importance: None,
        name: "demo".to_owned(),
        provenance: Provenance::default(),
        existing: whole::Existing::Replace,
    };
    let model = GgufModel { weights: &merged, config: &config, dir };
    write_gguf(model, &options, out, &mut |_, _| ()).unwrap();
}

/// Proves `file` to be the bundled base wearing the bundled adapter.
fn prove(file: &Path) -> wardrobe::proof::Result<PackageProof> {
    let base = bundled("initial");
    let info = BaseInfo::open(&base, "initial").unwrap();
    let worn = [(load(&bundled("sft"), &info).unwrap().weights, 1.0)];
    let (files, weights) = (ModelFiles::open(&base).unwrap(), DenseWeights::open(&base).unwrap());
    prove_gguf(file, &Served { files: &files, weights: &weights, worn: &worn, prompts: &[] })
}

fn disproven(file: &Path) -> String {
    match prove(file) {
        Err(Error::Disproven(why)) => why,
        other => panic!("expected it to be disproven, found {:?}", other.map(|p| p.to_line())),
    }
}

#[test]
fn the_demo_is_proven_in_floats_and_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("demo.gguf");
    for (file_type, top1, kl) in [("f16", 0.99, 1e-3), ("q8_0", 0.95, 5e-3), ("q4_k_m", 0.8, 0.1)] {
        export(&bundled("initial"), 1.0, file_type, &file);
        let proof = prove(&file).unwrap();
        let total = proof.weights.total.unwrap();
        assert!((total.share - 1.0).abs() < 0.01, "{file_type}: {total:?}");
        let behaviour = proof.behaviour;
        assert!(behaviour.positions > 300, "{file_type}: {behaviour:?}");
        assert!(behaviour.top1_agreement > top1, "{file_type}: {behaviour:?}");
        assert!(behaviour.mean_kl < kl, "{file_type}: {behaviour:?}");
        assert!(proof.text.conversations >= 10 && proof.text.texts >= 8);
        assert_eq!(proof.warning, None);
        let json = proof.to_json();
        assert_eq!(json["behaviour"]["positions"], behaviour.positions);
        assert!(json["modules"].as_array().unwrap().len() > 40);
    }
}

#[test]
fn a_file_without_the_adapter_or_with_other_than_all_of_it_is_disproven() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("demo.gguf");
    for (adapter, file_type) in [(0.0, "f32"), (2.0, "q4_k_m"), (0.9, "q4_0"), (-1.0, "q8_0")] {
        export(&bundled("initial"), adapter, file_type, &file);
        let why = disproven(&file);
        assert!(why.contains("of the adapters' change where 100.0 % are due"), "{adapter}: {why}");
    }
}

/// Changes a file of a copied model by text.
fn edit(dir: &Path, name: &str, from: &str, to: &str) {
    let path = dir.join(name);
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{name} holds no {from}");
    fs_err::write(&path, text.replace(from, to)).unwrap();
}

#[test]
fn another_template_or_rotation_is_disproven() {
    let dir = copied();
    let file = dir.path().join("demo.gguf");
    edit(dir.path(), "chat_template.jinja", "<|im_start|>", "<|im_start|> ");
    export(dir.path(), 1.0, "f32", &file);
    let why = disproven(&file);
    assert!(why.contains("the conversation") && why.contains("other tokens"), "{why}");

    let dir = copied();
    let file = dir.path().join("demo.gguf");
    let config: serde_json::Value =
        serde_json::from_slice(&fs_err::read(dir.path().join("config.json")).unwrap()).unwrap();
    let theta = config.pointer("/rope_theta").or(config.pointer("/rope_parameters/rope_theta"));
    let theta = theta.unwrap().to_string();
    edit(dir.path(), "config.json", &theta, "37.0");
    export(dir.path(), 1.0, "f32", &file);
    let why = disproven(&file);
    assert!(why.contains("its rope theta is 37, expected"), "{why}");
}

#[test]
fn a_truncated_file_is_no_package() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("demo.gguf");
    export(&bundled("initial"), 1.0, "q8_0", &file);
    let bytes = fs_err::read(&file).unwrap();
    fs_err::write(&file, &bytes[..bytes.len() - 1000]).unwrap();
    let error = prove(&file).map(|proof| proof.to_line()).unwrap_err();
    assert!(!matches!(error, Error::Disproven(_)), "{error}");
    assert!(error.to_string().contains("demo.gguf"), "{error}");
}

#[test]
fn a_value_that_half_precision_cannot_hold_is_refused_before_anything_is_written() {
    let dir = copied();
    let path = dir.path().join("model.safetensors");
    let device = candle_core::Device::Cpu;
    let mut tensors = candle_core::safetensors::load(&path, &device).unwrap();
    let name = "model.layers.0.self_attn.v_proj.weight";
    let scaled = (tensors[name].to_dtype(candle_core::DType::F32).unwrap() * 1e6).unwrap();
    tensors.insert(name.to_owned(), scaled);
    candle_core::safetensors::save(&tensors, &path).unwrap();

    let out = dir.path().join("demo.gguf");
    for (file_type, fits) in [("f16", false), ("q8_0", false), ("q4_k_m", false), ("bf16", true)] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wardrobe"));
        command.args(["export", "gguf", "--type", file_type, "--force", "--no-verify", "--model"]);
        let output = command.arg(dir.path()).arg("--output").arg(&out).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), fits, "{file_type}: {said}");
        assert!(fits || said.contains("cannot hold; write bf16 or f32"), "{file_type}: {said}");
        assert_eq!(out.exists(), fits);
    }
}
