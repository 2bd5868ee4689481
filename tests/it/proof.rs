//! The proof of weights against packages that are right, and against packages that are wrong in the ways
//! that exports go wrong.

use crate::tiny::{checkpoint, golden};
use export::gguf::{FileType, GgufModel, GgufOptions, Provenance, write_gguf};
use export::merge::Combination;
use export::{DenseWeights, Merged, Storage, TensorInfo, Weights, write_checkpoint};
use formats::gguf::TensorType;
use formats::peft::AdapterFiles;
use formats::whole::Existing;
use formats::{ModelConfig, SafetensorsFile, write_safetensors};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use wardrobe::adapters::{BaseInfo, load};
use wardrobe::model::AdapterWeights;
use wardrobe::proof::{Package, Rounding, Verdict, WeightsProof, prove_weights};

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) case: String,
    pub(crate) base: String,
}

pub(crate) fn cases() -> Vec<Case> {
    serde_json::from_slice(&fs_err::read(golden("adapters", "cases.json")).unwrap()).unwrap()
}

/// A base folder and what the engine wears on it.
pub(crate) struct Served {
    pub(crate) folder: tempfile::TempDir,
    config: ModelConfig,
    pub(crate) adapter: Arc<AdapterWeights>,
}

impl Served {
    pub(crate) fn new(base: &str, adapter: &str) -> Self {
        let folder = checkpoint(&golden("model", base));
        let config = ModelConfig::read(folder.path()).unwrap();
        let info = BaseInfo::open(folder.path(), base).unwrap();
        let adapter = load(&golden("adapters", adapter), &info).unwrap().weights;
        Self { folder, config, adapter }
    }

    fn base(&self) -> DenseWeights {
        DenseWeights::open(self.folder.path()).unwrap()
    }

    /// The base with the adapter of a folder merged on.
    fn merge(&self, adapter: &Path, weight: f64) -> Merged {
        let files = AdapterFiles::map(adapter).unwrap();
        let (base, dir) = (Box::new(self.base()), self.folder.path());
        Merged::new(base, &self.config, dir, vec![(files, weight)], &Combination::Sum).unwrap()
    }

    fn prove(&self, package: &dyn Weights, kind: TensorType, strength: f32) -> WeightsProof {
        let rounding = |_: &str| Rounding::of(kind);
        let package = Package { weights: package, rounding: &rounding };
        let base = self.base();
        prove_weights(&package, &base, &[(&self.adapter, strength)], &self.config).unwrap()
    }
}

/// Weights that pass through a change of each row before they are read.
struct Through<W, F> {
    inner: W,
    change: F,
}

impl<W: Weights, F: Fn(&TensorInfo, usize, &mut [f32]) + Sync> Weights for Through<W, F> {
    fn tensors(&self) -> &[TensorInfo] {
        self.inner.tensors()
    }

    fn read_rows(
        &self,
        tensor: &TensorInfo,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> export::Result<()> {
        self.inner.read_rows(tensor, rows.clone(), out)?;
        for (row, values) in rows.zip(out.chunks_exact_mut(tensor.columns())) {
            (self.change)(tensor, row, values);
        }
        Ok(())
    }

    fn release(&self, tensor: &TensorInfo) {
        self.inner.release(tensor);
    }
}

/// Weights that remember which matrices were read and not given back.
struct Watched<W> {
    inner: W,
    held: Mutex<BTreeSet<String>>,
}

impl<W: Weights> Watched<W> {
    fn new(inner: W) -> Self {
        Self { inner, held: Mutex::default() }
    }

    fn held(&self) -> BTreeSet<String> {
        self.held.lock().unwrap().clone()
    }
}

impl<W: Weights> Weights for Watched<W> {
    fn tensors(&self) -> &[TensorInfo] {
        self.inner.tensors()
    }

    fn read_rows(
        &self,
        tensor: &TensorInfo,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> export::Result<()> {
        if tensor.shape.len() > 1 {
            self.held.lock().unwrap().insert(tensor.name.clone());
        }
        self.inner.read_rows(tensor, rows, out)
    }

    fn release(&self, tensor: &TensorInfo) {
        self.held.lock().unwrap().remove(&tensor.name);
        self.inner.release(tensor);
    }
}

fn disproven(proof: &WeightsProof) -> String {
    match proof.verdict() {
        Verdict::Disproven(why) => why,
        other => panic!("{other:?}: {:?}", proof.total),
    }
}

#[test]
fn every_merged_adapter_is_what_was_served() {
    // Refused: the merged model would need biases that the architecture has no tensor for.
    for Case { case, base } in cases().into_iter().filter(|c| c.case != "lora_bias_no_base_bias") {
        let served = Served::new(&base, &case);
        let merged = served.merge(&golden("adapters", &case), 1.0);
        let proof = served.prove(&merged, TensorType::F32, 1.0);
        assert_eq!(proof.verdict(), Verdict::Proven, "{case}");
        let total = proof.total.unwrap();
        assert!((total.share - 1.0).abs() < 1e-4, "{case}: {total:?}");
        assert_eq!(total.possible, total.possible.clamp(0.999, 1.001), "{case}");
    }
}

#[test]
fn matrices_are_given_back_once_they_are_written_or_compared() {
    let bundled = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints").join(name);
    let (dir, adapter) = (bundled("initial"), bundled("sft"));
    let open = || DenseWeights::open(&dir).unwrap();
    let config = ModelConfig::read(&dir).unwrap();
    let adapters = vec![(AdapterFiles::map(&adapter).unwrap(), 1.0)];
    let sum = Combination::Sum;
    let merged = Merged::new(Box::new(open()), &config, &dir, adapters, &sum).unwrap();
    let (base, merged) = (Watched::new(open()), Watched::new(merged));

    let worn = load(&adapter, &BaseInfo::open(&dir, "initial").unwrap()).unwrap().weights;
    let package = Package { weights: &merged, rounding: &|_| Rounding::of(TensorType::F32) };
    prove_weights(&package, &base, &[(&worn, 1.0)], &config).unwrap();
    assert_eq!((base.held(), merged.held()), Default::default());

    let out = tempfile::tempdir().unwrap();
    let storage = Storage { dtype: None, max_shard_bytes: u64::MAX };
    write_checkpoint(&merged, out.path(), storage, |_| Ok(())).unwrap();
    assert_eq!(merged.held(), BTreeSet::new());
    let options = GgufOptions {
        file_type: FileType::F16,
        importance: None,
        name: "demo".to_owned(),
        provenance: Provenance::default(),
        existing: Existing::Refuse,
    };
    let model = GgufModel { weights: &merged, config: &config, dir: &dir };
    write_gguf(model, &options, &out.path().join("m.gguf"), &mut |_, _| ()).unwrap();
    assert_eq!(merged.held(), BTreeSet::new());
}

#[test]
fn bf16_is_foreseen_to_the_last_place() {
    let served = Served::new("qwen3_untied_gqa2", "all_linear");
    let rounded =
        Through { inner: served.merge(&golden("adapters", "all_linear"), 1.0), change: to_bf16 };
    let proof = served.prove(&rounded, TensorType::BF16, 1.0);
    assert_eq!(proof.verdict(), Verdict::Proven);
    // As f32 it would be too far off.
    assert!(matches!(
        served.prove(&rounded, TensorType::F32, 1.0).verdict(),
        Verdict::Disproven(_)
    ));
}

/// Noise of the size that four-bit blocks leave.
fn noisy(_: &TensorInfo, row: usize, values: &mut [f32]) {
    let mut state = row as u32 ^ 0x9e37_79b9;
    let scale = values.iter().map(|v| v.abs()).fold(0.0, f32::max) / 14.0;
    for value in values {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value += scale * (state as f32 / u32::MAX as f32 - 0.5);
    }
}

#[test]
fn coarse_types_are_proven_and_their_wrong_merges_found() {
    let q4 = TensorType::from_name("Q4_0").unwrap();
    let served = Served::new("qwen3_untied_gqa2", "all_linear");
    let folder = golden("adapters", "all_linear");
    let package = |weight: f64| Through { inner: served.merge(&folder, weight), change: noisy };
    assert_eq!(served.prove(&package(1.0), q4, 1.0).verdict(), Verdict::Proven);
    for weight in [2.0, 0.5, -1.0, 0.0] {
        let proof = served.prove(&package(weight), q4, 1.0);
        let total = proof.total.unwrap();
        assert!((total.share - weight).abs() < 0.01, "{weight}: {total:?}");
        let why = disproven(&proof);
        assert!(why.contains("of the adapters' change where 100.0 % are due"), "{weight}: {why}");
    }
}

#[test]
fn a_module_left_out_is_found() {
    let served = Served::new("qwen3_untied_gqa2", "all_linear");
    let base = served.base();
    let left_out = "model.layers.1.mlp.up_proj.weight";
    let package = Through {
        inner: served.merge(&golden("adapters", "all_linear"), 1.0),
        change: |tensor: &TensorInfo, row: usize, values: &mut [f32]| {
            if tensor.name == left_out {
                base.read_rows(tensor, row..row + 1, values).unwrap();
            }
        },
    };
    let proof = served.prove(&package, TensorType::F32, 1.0);
    let why = disproven(&proof);
    assert!(why.contains("carries 0.0 %") && why.contains("layers.1.mlp.up_proj"), "{why}");
    let wrong = proof.modules.iter().filter(|m| m.carried.is_some_and(|c| c.share < 0.5));
    assert_eq!(wrong.count(), 1);
}

#[test]
fn another_base_is_found() {
    let served = Served::new("qwen3_untied_gqa2", "all_linear");
    let package = Through {
        inner: served.merge(&golden("adapters", "all_linear"), 1.0),
        change: |tensor: &TensorInfo, row: usize, values: &mut [f32]| {
            if tensor.shape.len() > 1 {
                values.rotate_left(1 + row % 3);
            }
        },
    };
    disproven(&served.prove(&package, TensorType::from_name("Q2_K").unwrap(), 1.0));
}

/// A copy of an adapter folder whose B are read as if they lay the other way round.
fn transposed(adapter: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (config, weights) = ("adapter_config.json", "adapter_model.safetensors");
    fs_err::copy(adapter.join(config), folder.path().join(config)).unwrap();
    let file = SafetensorsFile::open(&adapter.join(weights)).unwrap();
    let tensors: Vec<_> = file
        .tensors()
        .map(|view| {
            let mut bytes = Cow::Borrowed(view.bytes);
            if let (true, &[n, r]) = (view.name.contains("lora_B"), view.shape) {
                let size = view.bytes.len() / (n * r);
                let at = |i: usize| &view.bytes[i * size..(i + 1) * size];
                let order = (0..r).flat_map(|j| (0..n).map(move |i| i * r + j));
                bytes = Cow::Owned(order.flat_map(at).copied().collect());
            }
            (view.name.to_owned(), view.dtype, view.shape.to_vec(), bytes)
        })
        .collect();
    write_safetensors(&folder.path().join(weights), &tensors, file.metadata()).unwrap();
    folder
}

#[test]
fn a_transposed_product_is_found() {
    let served = Served::new("qwen3_untied_gqa2", "all_linear");
    let wrong = transposed(&golden("adapters", "all_linear"));
    let package = served.merge(wrong.path(), 1.0);
    let q8 = TensorType::from_name("Q8_0").unwrap();
    disproven(&served.prove(&package, q8, 1.0));
    disproven(&served.prove(&package, TensorType::F32, 1.0));
}

fn to_bf16(_: &TensorInfo, _: usize, row: &mut [f32]) {
    row.iter_mut().for_each(|value| *value = half::bf16::from_f32(*value).to_f32());
}

type Rounded<W> = Through<W, fn(&TensorInfo, usize, &mut [f32])>;

#[test]
fn what_a_float_type_cannot_hold_is_told() {
    let served = Served::new("qwen3_untied_gqa2", "all_linear");
    let base = || Rounded { inner: served.base(), change: to_bf16 };
    let files = AdapterFiles::map(&golden("adapters", "all_linear")).unwrap();
    let (dir, adapters) = (served.folder.path(), vec![(files, 3e-4)]);
    let sum = Combination::Sum;
    let merged = Merged::new(Box::new(base()), &served.config, dir, adapters, &sum).unwrap();
    let rounded = Rounded { inner: merged, change: to_bf16 };
    let rounding = |_: &str| Rounding::of(TensorType::BF16);
    let package = Package { weights: &rounded, rounding: &rounding };
    let worn = [(&*served.adapter, 3e-4)];
    let proof = prove_weights(&package, &base(), &worn, &served.config).unwrap();
    let Verdict::Warning(told) = proof.verdict() else { panic!("{:?}", proof.verdict()) };
    assert!(told.contains("larger than the rounding steps"), "{told}");
    let total = proof.total.unwrap();
    assert!(total.possible < 0.9 && (total.share - total.possible).abs() < 0.05, "{total:?}");
}
