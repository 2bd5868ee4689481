//! GGUF adapters proven to be what the engine wears, and the ways in which such files go wrong.

use crate::tiny::{checkpoint, golden};
use export::gguf::{FileType, GgufOptions, Provenance, write_gguf_adapter};
use formats::gguf::{GgufFile, Metadata, NewTensor, Value, write_gguf};
use formats::peft::AdapterFiles;
use formats::{ModelConfig, whole};
use serde::Deserialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use wardrobe::adapters::{BaseInfo, load};
use wardrobe::proof::{AdapterProof, Error, prove_adapter};

#[derive(Deserialize)]
struct Case {
    case: String,
    base: String,
}

/// A written adapter and what it was written from.
struct Written {
    folder: tempfile::TempDir,
    base: String,
    case: String,
}

impl Written {
    fn new(base: &str, case: &str, file_type: &str) -> export::Result<Self> {
        let folder = checkpoint(&golden("model", base));
        let config = ModelConfig::read(folder.path())?;
        let options = GgufOptions {
            file_type: FileType::from_name(file_type).unwrap(),
            importance: None,
            name: case.to_owned(),
            provenance: Provenance::default(),
            existing: whole::Existing::Refuse,
        };
        let files = AdapterFiles::map(&golden("adapters", case))?;
        write_gguf_adapter(&files, &config, &options, &folder.path().join("lora.gguf"))?;
        Ok(Self { folder, base: base.to_owned(), case: case.to_owned() })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("lora.gguf")
    }

    fn prove(&self) -> wardrobe::proof::Result<AdapterProof> {
        let info = BaseInfo::open(self.folder.path(), &self.base).unwrap();
        let worn = load(&golden("adapters", &self.case), &info).unwrap().weights;
        prove_adapter(&self.path(), &worn, &info.config)
    }

    fn disproven(&self) -> String {
        match self.prove() {
            Err(Error::Disproven(why)) => why,
            other => panic!("expected it to be disproven, found {other:?}"),
        }
    }

    /// Writes the file again with other metadata and tensors.
    fn change(&self, change: impl FnOnce(&mut Metadata, &mut Vec<(NewTensor, Vec<u8>)>)) {
        rewrite(&self.path(), change);
    }
}

fn rewrite(path: &Path, change: impl FnOnce(&mut Metadata, &mut Vec<(NewTensor, Vec<u8>)>)) {
    let file = GgufFile::open(path).unwrap();
    let mut metadata = Metadata::new();
    file.metadata().iter().for_each(|(key, value)| metadata.set(key, value.clone()));
    let tensors = file.tensors().iter().map(|tensor| {
        let (name, shape, kind) = (tensor.name.clone(), tensor.shape.clone(), tensor.kind);
        (NewTensor { name, shape, kind }, file.tensor_bytes(tensor).to_vec())
    });
    let mut tensors = tensors.collect();
    change(&mut metadata, &mut tensors);
    let (new, bytes): (Vec<NewTensor>, Vec<Vec<u8>>) = tensors.into_iter().unzip();
    let fill = |at: usize, out: &mut dyn Write| Ok::<_, formats::Error>(out.write_all(&bytes[at])?);
    write_gguf(path, &metadata, &new, fill).unwrap();
}

#[test]
fn what_can_be_said_is_what_is_worn() {
    let cases = fs_err::read(golden("adapters", "cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&cases).unwrap();
    let mut proven = 0;
    for Case { case, base } in cases {
        for (file_type, bound) in [("f32", 1e-6), ("f16", 1e-3), ("bf16", 8e-3)] {
            let Ok(written) = Written::new(&base, &case, file_type) else { continue };
            let proof = written.prove().unwrap_or_else(|error| panic!("{case}: {error}"));
            assert!(!proof.modules.is_empty(), "{case}");
            for module in &proof.modules {
                assert!(module.relative_error < bound, "{case} as {file_type}: {module:?}");
                assert!((module.share - 1.0).abs() < bound, "{case} as {file_type}: {module:?}");
            }
            proven += 1;
        }
    }
    assert!(proven >= 45, "{proven}");
}

#[test]
fn wrong_scales_are_found() {
    let written = Written::new("qwen3_untied_gqa2", "rslora", "f32").unwrap();
    let alpha = GgufFile::open(&written.path()).unwrap().metadata().float("adapter.lora.alpha");
    let alpha = alpha.unwrap() as f32;
    for factor in [0.5, 1.001] {
        written
            .change(|metadata, _| metadata.set("adapter.lora.alpha", Value::F32(factor * alpha)));
        let why = written.disproven();
        let share = format!("gets {:.2} % of the adapter's change", 100.0 * factor);
        assert!(why.contains(&share), "{factor}: {why}");
    }
    // What a converter writes that knows nothing of rsLoRA or of patterns.
    for case in ["rslora", "patterns"] {
        let written = Written::new("qwen3_untied_gqa2", case, "f32").unwrap();
        written.change(|metadata, _| metadata.set("adapter.lora.alpha", Value::F32(1.0)));
        assert!(written.disproven().contains("of the adapter's change"));
    }
}

#[test]
fn a_transposed_b_is_found() {
    let written = Written::new("qwen3_untied_gqa2", "all_linear", "f16").unwrap();
    written.change(|_, tensors| {
        let name = "blk.1.ffn_up.weight.lora_b";
        let (tensor, bytes) = tensors.iter_mut().find(|(tensor, _)| tensor.name == name).unwrap();
        let [rows, rank] = tensor.shape[..] else { panic!("{:?}", tensor.shape) };
        let order = (0..rank).flat_map(|j| (0..rows).map(move |i| i * rank + j));
        *bytes = order.flat_map(|at| [bytes[2 * at], bytes[2 * at + 1]]).collect();
    });
    let why = written.disproven();
    assert!(why.contains("`model.layers.1.mlp.up_proj` gets"), "{why}");
}

#[test]
fn a_missing_and_an_added_module_are_found() {
    let written = Written::new("qwen3_untied_gqa2", "all_linear", "f32").unwrap();
    written.change(|_, tensors| {
        tensors.retain(|(tensor, _)| !tensor.name.starts_with("blk.0.attn_v.weight"));
    });
    let why = written.disproven();
    assert_eq!(why, "the change of `model.layers.0.self_attn.v_proj` is missing");

    let half = Written::new("qwen3_untied_gqa2", "all_linear", "f32").unwrap();
    half.change(|_, tensors| tensors.retain(|(it, _)| it.name != "blk.0.attn_v.weight.lora_b"));
    assert!(half.prove().unwrap_err().to_string().contains("without its other half"));

    let added = Written::new("qwen3_untied_gqa2", "layers_to_transform", "f32").unwrap();
    added.change(|_, tensors| {
        let at = |layer: usize| format!("blk.{layer}.");
        let has = |layer: usize| tensors.iter().any(|(it, _)| it.name.starts_with(&at(layer)));
        let (from, to) = if has(0) { (0, 1) } else { (1, 0) };
        let mut more: Vec<_> = tensors
            .iter()
            .filter(|(it, _)| it.name.starts_with(&at(from)))
            .map(|(it, bytes)| {
                let name = it.name.replacen(&at(from), &at(to), 1);
                (NewTensor { name, shape: it.shape.clone(), kind: it.kind }, bytes.clone())
            })
            .collect();
        more.retain(|(new, _)| !tensors.iter().any(|(it, _)| it.name == new.name));
        assert!(!more.is_empty());
        tensors.append(&mut more);
    });
    assert!(added.disproven().contains("which the adapter leaves alone"), "{}", added.disproven());
}

#[test]
fn what_llama_cpp_would_not_take_is_no_adapter() {
    for (key, value, sentence) in [
        ("general.type", "model", "`general.type` is model, expected adapter"),
        ("adapter.type", "dora", "`adapter.type` is dora, expected lora"),
        ("general.architecture", "llama", "is llama, expected qwen3"),
    ] {
        let written = Written::new("qwen3_untied_gqa2", "rslora", "f32").unwrap();
        written.change(|metadata, _| metadata.set(key, Value::String(value.to_owned())));
        let error = written.prove().unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    let written = Written::new("qwen3_untied_gqa2", "rslora", "f32").unwrap();
    written.change(|_, tensors| {
        let (first, _) = &mut tensors[0];
        first.name = "blk.9.attn_q.weight.lora_a".to_owned();
    });
    assert!(written.prove().is_err());
}
