//! The proof of answers: models that are one, and adapters that are worn as one.

use crate::proof::{Case, Served, cases};
use crate::tiny::{checkpoint, golden};
use export::merge::{Combination, MergeRequest, merge};
use export::{DenseWeights, Storage};
use formats::whole::Existing;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wardrobe::adapters::{BaseInfo, load};
use wardrobe::model::{Decoder, WeightFormat};
use wardrobe::proof::{Behaviour, Subject, composite, record};

#[test]
fn models_that_are_one_behave_as_one_and_others_do_not() {
    let served = Served::new("qwen3_untied_gqa2", "all_linear");
    let decoder = Arc::new(Decoder::load(served.folder.path(), WeightFormat::F32).unwrap());
    let worn = Subject { decoder: decoder.clone(), adapter: Some(served.adapter.clone()) };
    let bare = Subject { decoder, adapter: None };
    let prompts = [vec![3, 5, 8, 13, 21, 34, 55], vec![1, 2, 3]];
    let recording = record(&worn, &prompts, (40, &[]), served.folder.path()).unwrap();
    let same = recording.compare(&worn).unwrap();
    assert_eq!((same.top1_agreement, same.max_kl), (1.0, 0.0));
    assert_eq!((same.positions, same.greedy_tokens, same.greedy_same), (90, 80, 80));
    let other = recording.compare(&bare).unwrap();
    assert!(other.mean_kl > 0.01 && other.top1_agreement < 0.9, "{other:?}");
    assert!(other.greedy_same < other.greedy_tokens, "{other:?}");
}

/// The base with adapters merged on in f32, run beside the base that wears them as one.
#[test]
fn adapters_worn_as_one_answer_as_their_exact_sum() {
    let mut compared = 0;
    for base in ["qwen3_untied_gqa2", "qwen2_tied_gqa7", "qwen3_tied_gqa1"] {
        let no_place = |case: &Case| case.case == "lora_bias_no_base_bias";
        let of_base = cases().into_iter().filter(|c| c.base == base && !no_place(c));
        let names: Vec<String> = of_base.map(|case| case.case).collect();
        for pair in names.windows(2) {
            let found = sum_against_composite(base, pair, [0.7, -1.6], -1.6);
            assert!(found.max_kl < 1e-5 && found.top1_agreement == 1.0, "{pair:?}: {found:?}");
            compared += 1;
        }
        let alone = sum_against_composite(base, &names[..1], [0.3, 0.0], 0.0);
        assert!(alone.max_kl < 1e-5, "{}: {alone:?}", names[0]);
        let other = sum_against_composite(base, &names[..2], [0.7, -1.6], -1.5);
        assert!(other.mean_kl > 1e-4, "another weight is another model: {other:?}");
    }
    assert!(compared > 30);
}

/// The second adapter is worn with `strengths[1]` and merged with `merged_with`.
fn sum_against_composite(
    base: &str,
    adapters: &[String],
    strengths: [f64; 2],
    merged_with: f64,
) -> Behaviour {
    let folder = checkpoint(&golden("model", base));
    let info = BaseInfo::open(folder.path(), base).unwrap();
    let (mut worn, mut merging) = (Vec::new(), Vec::new());
    for (name, (worn_with, merged_with)) in
        adapters.iter().zip(strengths.into_iter().zip([strengths[0], merged_with]))
    {
        let path = golden("adapters", name);
        worn.push((load(&path, &info).unwrap().weights, worn_with as f32));
        merging.push((path, merged_with));
    }
    let merged = folder.path().join("merged");
    merge(&request(folder.path(), merging), &merged, &|_, _| ()).unwrap();
    let weights = DenseWeights::open(folder.path()).unwrap();
    let adapter = composite(&worn, &weights, info.files().config()).unwrap();
    let load = |path: &Path| Arc::new(Decoder::load(path, WeightFormat::F32).unwrap());
    let served = Subject { decoder: load(folder.path()), adapter };
    let prompts = [vec![3, 5, 8, 13, 21, 34, 55], vec![1, 2, 3]];
    let recording = record(&served, &prompts, (8, &[]), &std::env::temp_dir());
    recording.unwrap().compare(&Subject { decoder: load(&merged), adapter: None }).unwrap()
}

fn request(base: &Path, adapters: Vec<(PathBuf, f64)>) -> MergeRequest {
    MergeRequest {
        model: base.to_owned(),
        model_name: "base".into(),
        choice: None,
        adapters,
        data: Vec::new(),
        combination: Combination::Sum,
        combine: "sum".into(),
        storage: Storage { dtype: Some(formats::Dtype::F32), max_shard_bytes: u64::MAX },
        tokenizer: None,
        existing: Existing::Refuse,
        tool: "test".into(),
    }
}
