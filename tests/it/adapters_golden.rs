//! Loaded adapters against PEFT: logits of tiny bases that wear adapters of every kind.

use crate::model_golden::logits;
use crate::tiny::{TOLERANCE, checkpoint, expected, golden, largest_difference};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use wardrobe::adapters::{BaseInfo, LoadedAdapter, Precision, load};
use wardrobe::model::{AdapterWeights, Decoder, Kv, Step, Wear, WeightFormat, Worn};

/// One line of `cases.json`.
#[derive(Deserialize)]
struct Case {
    case: String,
    base: String,
    /// How far the adapter moves PEFT's logits.
    effect: f32,
}

/// A base that adapters are tried on.
struct Base {
    decoder: Decoder,
    info: BaseInfo,
    _folder: tempfile::TempDir,
}

impl Base {
    fn open(name: &str) -> Self {
        let folder = checkpoint(&golden("model", name));
        let decoder = Decoder::load(folder.path(), WeightFormat::F32).unwrap();
        let info = BaseInfo::open(folder.path(), name).unwrap();
        Self { decoder, info, _folder: folder }
    }

    fn load(&self, case: &str) -> LoadedAdapter {
        load(&golden("adapters", case), &self.info)
            .unwrap_or_else(|error| panic!("{case}: {error}"))
    }
}

fn cases() -> Vec<Case> {
    let cases = fs_err::read(golden("adapters", "cases.json")).unwrap();
    serde_json::from_slice(&cases).unwrap()
}

#[test]
fn every_case_equals_peft() {
    let (cases, mut bases) = (cases(), HashMap::new());
    assert_eq!(cases.len(), 42);
    let mut wrong = Vec::new();
    for Case { case, base, effect } in &cases {
        let base = bases.entry(base.clone()).or_insert_with(|| Base::open(base));
        let expected = expected(&golden("adapters", case).join("expected.safetensors"));
        let adapter = base.load(case).weights;
        let worn = [Worn { rows: 0..expected.ids.len(), adapter }];
        let run = |wear| logits(&base.decoder, &expected.ids, &expected.positions, wear);
        let difference = largest_difference(&run(Wear::Adapters(&worn)), &expected.logits);
        let unworn = largest_difference(&run(Wear::Base), &expected.logits);
        if difference > TOLERANCE || (unworn - effect).abs() > 1e-2 {
            wrong.push((case, difference, unworn, effect));
        }
    }
    assert!(wrong.is_empty(), "(case, difference, without the adapter, in PEFT): {wrong:#?}");
}

#[test]
fn held_as_bf16_adapters_are_smaller_and_do_nearly_the_same() {
    let mut base = Base::open("qwen3_untied_gqa2");
    for case in ["all_linear", "dora", "rslora", "patterns"] {
        let expected = expected(&golden("adapters", case).join("expected.safetensors"));
        let mut difference_and_bytes = |precision| {
            base.info.precision = precision;
            let adapter = base.load(case).weights;
            let bytes = adapter.bytes();
            let worn = [Worn { rows: 0..expected.ids.len(), adapter }];
            let wear = Wear::Adapters(&worn);
            let found = logits(&base.decoder, &expected.ids, &expected.positions, wear);
            (largest_difference(&found, &expected.logits), bytes)
        };
        let (_, exact) = difference_and_bytes(Precision::Exact);
        let (difference, rounded) = difference_and_bytes(Precision::Bf16);
        let effect = cases().iter().find(|known| known.case == case).unwrap().effect;
        assert!(rounded < exact, "{case}: {rounded} of {exact} bytes");
        // Rounding to 8 bits moves each product by at most 2^-8 of itself; sums do better.
        assert!(difference > 0.0 && difference < effect / 50.0, "{case}: {difference} of {effect}");
    }
}

#[test]
fn a_mixed_batch_computes_what_each_computes_alone() {
    let base = Base::open("qwen3_untied_gqa2");
    let ids: Vec<u32> = (0..120).map(|i| (i * 37 + 11) % 160).collect();
    let positions: Vec<u32> = (0..40).cycle().take(120).collect();
    let wearing = |worn: &[Worn], rows: std::ops::Range<usize>, lens: &[usize]| -> Vec<u32> {
        let (ids, positions) = (&ids[rows.clone()], &positions[rows.clone()]);
        let wear = Wear::Adapters(worn);
        let step = Step { ids, positions, wear, kv: Kv::Fresh { lens } };
        let hidden = base.decoder.hidden(&step).unwrap();
        let all: Vec<u32> = (0..).take(rows.len()).collect();
        let logits = base.decoder.logits(&hidden, &all, &wear).unwrap();
        let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
        logits.into_iter().map(f32::to_bits).collect()
    };
    for pair in [["dora", "all_linear"], ["save_both", "embed"], ["dora_embed", "head"]] {
        let [first, last] = pair.map(|case| base.load(case).weights);
        let worn = |rows, adapter: &Arc<AdapterWeights>| Worn { rows, adapter: adapter.clone() };
        let mixed = [worn(0..40, &first), worn(80..120, &last)];
        let alone = [
            wearing(&[worn(0..40, &first)], 0..40, &[40]),
            wearing(&[], 40..80, &[40]),
            wearing(&[worn(0..40, &last)], 80..120, &[40]),
        ];
        assert_eq!(wearing(&mixed, 0..120, &[40, 40, 40]), alone.concat(), "{pair:?}");
    }
}

#[test]
fn the_report_states_what_was_loaded() {
    let report = Base::open("qwen3_untied_gqa2").load("patterns").report;
    let table = "\
LoRA on qwen3_untied_gqa2
module          layers    rank     scale    parameters
q_proj             2/2       1      4..7           384
v_proj             2/2    2..4 0.75..1.5           768
down_proj          2/2    2..3  1.333..2          1080
2232 parameters, 10.4 kB of F32 on disk, 39.7 kB in memory";
    assert_eq!(report.to_string(), table);
    let json = serde_json::to_value(&*report).unwrap();
    assert_eq!(json["method"], "lora");
    assert_eq!(json["base_match"], "same");
    assert_eq!(json["modules"][0]["module"], "model.layers.0.self_attn.q_proj");
    assert_eq!(json["modules"][0]["rank"], 1);

    let whole = Base::open("qwen3_untied_gqa2").load("save_head").report.to_string();
    assert!(whole.contains("lm_head              -   whole         -         10240"), "{whole}");
}
