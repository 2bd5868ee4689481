//! `wardrobe extract`: an adapter that was merged comes back, and what it cannot hold is said.

use crate::tiny::{checkpoint, golden};
use export::extract::{ExtractReport, ExtractRequest, extract};
use export::merge::{Combination, MergeRequest, merge};
use export::{Storage, open_weights};
use formats::Dtype;
use formats::peft::AdapterConfig;
use formats::whole::Existing;
use std::path::Path;

fn merged(base: &Path, adapter: &Path, output: &Path) {
    let request = MergeRequest {
        model: base.to_owned(),
        model_name: "base".into(),
        choice: None,
        adapters: vec![(adapter.to_owned(), 1.0)],
        data: Vec::new(),
        combination: Combination::Sum,
        combine: "sum".into(),
        storage: Storage { dtype: None, max_shard_bytes: u64::MAX },
        tokenizer: None,
        existing: Existing::Refuse,
        tool: "test".into(),
    };
    merge(&request, output, &|_, _| ()).unwrap();
}

fn extracted(
    base: &Path,
    tuned: &Path,
    rank: usize,
    output: &Path,
) -> export::Result<ExtractReport> {
    let request = ExtractRequest {
        model: base.to_owned(),
        model_name: "base".into(),
        tuned: tuned.to_owned(),
        rank,
        dtype: Dtype::F32,
        existing: Existing::Refuse,
    };
    extract(&request, output, &|_, _| ())
}

/// The largest difference of any value of two models.
fn distance(a: &Path, b: &Path) -> f32 {
    let (a, b) = (open_weights(a).unwrap(), open_weights(b).unwrap());
    let read = |weights: &dyn export::Weights, tensor: &export::TensorInfo| {
        let mut values = vec![0.0; tensor.elements()];
        weights.read_rows(tensor, 0..tensor.rows(), &mut values).unwrap();
        values
    };
    assert_eq!(a.tensors(), b.tensors());
    let each = a.tensors().iter().map(|tensor| (read(&*a, tensor), read(&*b, tensor)));
    each.flat_map(|(a, b)| a.into_iter().zip(b).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>())
        .fold(0.0, f32::max)
}

#[test]
fn what_was_merged_is_extracted_and_merges_to_the_same_model() {
    for (model, case, rank, saved) in [
        ("qwen3_untied_gqa2", "all_linear", 2, 0),
        ("qwen3_untied_gqa2", "rslora", 4, 0),
        ("qwen3_untied_gqa2", "save_both", 1, 2),
        ("qwen3_tied_gqa1", "save_embed_tied", 1, 2),
        ("qwen3_tied_gqa1", "save_embed_tied_ensured", 1, 1),
        ("qwen2_tied_gqa7", "bias_all", 2, 0),
    ] {
        let base = checkpoint(&golden("model", model));
        let at = |name: &str| base.path().join(name);
        merged(base.path(), &golden("adapters", case), &at("tuned"));
        let report = extracted(base.path(), &at("tuned"), rank, &at("adapter")).unwrap();
        assert!(report.energy_kept > 1.0 - 1e-7, "{case}: {}", report.energy_kept);
        assert_eq!((report.saved.len(), report.biases), (saved, case == "bias_all"), "{case}");
        merged(base.path(), &at("adapter"), &at("again"));
        let distance = distance(&at("tuned"), &at("again"));
        assert!(distance < 2e-6, "{case}: {distance}");
    }
}

#[test]
fn a_lower_rank_keeps_as_much_as_can_be_kept() {
    let base = checkpoint(&golden("model", "qwen3_untied_gqa2"));
    let at = |name: &str| base.path().join(name);
    merged(base.path(), &golden("adapters", "dora"), &at("tuned"));
    let kept: Vec<f64> = [1, 4, 8, 32, 64]
        .iter()
        .map(|rank| {
            let output = at(&format!("rank-{rank}"));
            extracted(base.path(), &at("tuned"), *rank, &output).unwrap().energy_kept
        })
        .collect();
    assert!(kept.is_sorted() && kept[0] < 0.9 && kept[4] > 1.0 - 1e-7, "{kept:?}");
    let config = AdapterConfig::read(&at("rank-8")).unwrap();
    assert_eq!((config.rank, config.alpha), (8, 8.0));
    assert_eq!(config.base_model_name_or_path.as_deref(), Some("base"));
}

#[test]
fn models_that_do_not_belong_together_are_refused() {
    let base = checkpoint(&golden("model", "qwen3_untied_gqa2"));
    let other = checkpoint(&golden("model", "qwen2_tied_gqa7"));
    let output = base.path().join("adapter");
    let refused = |tuned: &Path, rank| {
        let error = extracted(base.path(), tuned, rank, &output).unwrap_err().to_string();
        assert!(!output.exists());
        error
    };
    assert!(refused(other.path(), 2).contains("is a model of another shape than the base"));
    assert!(refused(base.path(), 2).contains("there is nothing to extract"));
    let tuned = base.path().join("tuned");
    merged(base.path(), &golden("adapters", "all_linear"), &tuned);
    let error = refused(&tuned, 65);
    assert!(error.contains("rank 65 is more than q_proj of shape [128, 64] can have"), "{error}");
}
