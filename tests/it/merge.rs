//! Merged weights against PEFT, and merged models against the adapters that they came from.

use crate::model_golden::logits;
use crate::tiny::{TOLERANCE, checkpoint, expected, golden, largest_difference};
use export::merge::{Combination, MajoritySign, MergeRequest};
use export::{DenseWeights, Merged, Storage, TensorInfo, Weights};
use formats::peft::AdapterFiles;
use formats::whole::Existing;
use formats::{ModelConfig, SafetensorsFile};
use half::bf16;
use serde::Deserialize;
use std::path::Path;
use wardrobe::model::{Decoder, Wear, WeightFormat};

/// Values of a tensor that the golden file holds, at places `i * 7919 + 13`.
const SAMPLES: usize = 16;

/// One line of `cases.json`.
#[derive(Deserialize)]
struct Case {
    case: String,
    base: String,
    adapters: Vec<String>,
    dtype: String,
    /// Why PEFT refuses it.
    error: Option<String>,
    /// PEFT adds the change of one end of tied embeddings to both.
    #[serde(default)]
    both_ends: bool,
    weights: Option<Vec<f64>>,
    combine: Option<String>,
    density: Option<f64>,
    seed: Option<u64>,
    sign: Option<String>,
    rank: Option<usize>,
}

impl Case {
    fn combination(&self) -> Combination {
        let Some(name) = &self.combine else { return Combination::Sum };
        let sign = match self.sign.as_deref() {
            Some("frequency") => MajoritySign::Frequency,
            _ => MajoritySign::Total,
        };
        let (density, seed) = (self.density, self.seed.unwrap_or(0));
        Combination::named(name, density, sign, seed, self.rank).unwrap()
    }

    fn merge(&self, base: &Path) -> export::Result<Merged> {
        let config = ModelConfig::read(base)?;
        let ones = vec![1.0; self.adapters.len()];
        let read = |name: &String| AdapterFiles::map(&golden("adapters", name));
        let files = self.adapters.iter().map(read).collect::<formats::Result<Vec<_>>>()?;
        let weights = self.weights.clone().unwrap_or(ones);
        let adapters = files.into_iter().zip(weights).collect();
        let dense = Box::new(DenseWeights::open(base)?);
        Merged::new(dense, &config, base, adapters, &self.combination())
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&fs_err::read(golden("merge", "cases.json")).unwrap()).unwrap()
}

/// A base folder, its weights rounded to bf16 if `half`.
fn base(name: &str, half: bool) -> tempfile::TempDir {
    let folder = checkpoint(&golden("model", name));
    if half {
        let path = folder.path().join("model.safetensors");
        let tensors = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).unwrap();
        let rounded = tensors
            .into_iter()
            .map(|(name, tensor)| (name, tensor.to_dtype(candle_core::DType::BF16).unwrap()))
            .collect();
        candle_core::safetensors::save(&rounded, path).unwrap();
    }
    folder
}

fn read(weights: &dyn Weights, tensor: &TensorInfo) -> Vec<f32> {
    let mut values = vec![0.0; tensor.elements()];
    weights.read_rows(tensor, 0..tensor.rows(), &mut values).unwrap();
    values
}

/// How far apart two lists lie, relative to the largest of the second.
fn relative(found: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    largest_difference(found, expected) / largest
}

/// How many values of bf16 lie between two, the second counted.
fn bf16_steps(a: bf16, b: bf16) -> i32 {
    let place = |v: bf16| {
        let bits = i32::from(v.to_bits() & 0x7fff);
        if v.is_sign_negative() { -bits } else { bits }
    };
    (place(a) - place(b)).abs()
}

/// What a case's merged weights differ in from PEFT's.
#[derive(Default)]
struct Comparison {
    wrong: Vec<(String, f32)>,
    compared: usize,
    /// Halves that are neighbours.
    off_by_one: usize,
}

impl Comparison {
    fn case(&mut self, case: &Case, merged: &Merged, golden: &SafetensorsFile) {
        let prefix = format!("{}|", case.case);
        for view in golden.tensors().filter(|view| view.name.starts_with(&prefix)) {
            let name = &view.name[prefix.len()..];
            // PEFT's tied base has one tensor for both ends.
            let Some(tensor) = merged.tensors().iter().find(|tensor| tensor.name == name) else {
                assert!(name == "lm_head.weight" && merged.config().tie_word_embeddings);
                continue;
            };
            let values = read(merged, tensor);
            let found: Vec<f32> =
                (0..SAMPLES).map(|i| values[(i * 7919 + 13) % values.len()]).collect();
            self.tensor(case, view.name, &found, &view.to_f32().unwrap());
        }
    }

    fn tensor(&mut self, case: &Case, name: &str, found: &[f32], expected: &[f32]) {
        self.compared += found.len();
        // Singular vectors come from other arithmetic than LAPACK's; their products agree less.
        let tolerance = if case.case.contains("svd") { 1e-5 } else { 1e-6 };
        let distance = if case.dtype == "bfloat16" {
            let steps = |(a, b): (&f32, &f32)| bf16_steps(bf16::from_f32(*a), bf16::from_f32(*b));
            self.off_by_one += found.iter().zip(expected).filter(|pair| steps(*pair) == 1).count();
            if found.iter().zip(expected).all(|pair| steps(pair) <= 1) { 0.0 } else { 1.0 }
        } else {
            relative(found, expected)
        };
        if distance > tolerance {
            self.wrong.push((name.to_owned(), distance));
        }
    }
}

#[test]
fn every_merged_weight_equals_peft() {
    let golden = SafetensorsFile::open(&golden("merge", "merged.safetensors")).unwrap();
    let mut comparison = Comparison::default();
    for case in cases() {
        let base = base(&case.base, case.dtype == "bfloat16");
        match (case.merge(base.path()), &case.error) {
            (Ok(merged), None) => comparison.case(&case, &merged, &golden),
            (Err(error), Some(_)) => {
                let error = error.to_string();
                assert!(error.contains("q_proj has no bias in the base model"), "{error}");
            }
            (result, _) => panic!("{}: {:?}", case.case, result.err()),
        }
    }
    let Comparison { wrong, compared, off_by_one } = comparison;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared > 5_500, "{compared}");
    assert!(off_by_one <= 4, "{off_by_one} of the halves are off by one step");
}

#[test]
fn a_merged_model_answers_as_its_adapter_does() {
    let mut cases: Vec<Case> = cases();
    cases.retain(|case| case.combine.is_none() && case.error.is_none() && case.dtype == "float32");
    assert_eq!(cases.iter().filter(|case| case.both_ends).count(), 5);
    for case in cases {
        let base = base(&case.base, false);
        let folder = base.path().join("merged");
        let request = MergeRequest {
            model: base.path().to_owned(),
            model_name: case.base.clone(),
            choice: None,
            adapters: vec![(golden("adapters", &case.adapters[0]), 1.0)],
            data: Vec::new(),
            combination: Combination::Sum,
            combine: "sum".into(),
            storage: Storage { dtype: None, max_shard_bytes: 100_000 },
            tokenizer: None,
            existing: Existing::Refuse,
            tool: "test".into(),
        };
        export::merge::merge(&request, &folder, &|_, _| ()).unwrap();
        let decoder = Decoder::load(&folder, WeightFormat::F32).unwrap();
        let expected = expected(&golden("adapters", &case.case).join("expected.safetensors"));
        let found = logits(&decoder, &expected.ids, &expected.positions, Wear::Base);
        let difference = largest_difference(&found, &expected.logits);
        assert!(difference < TOLERANCE, "{}: {difference}", case.case);
    }
}
