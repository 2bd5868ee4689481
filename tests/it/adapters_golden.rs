//! Loaded adapters against PEFT: logits of tiny bases that wear adapters of every kind.

use crate::model_golden::logits;
use crate::tiny::{TOLERANCE, checkpoint, expected, golden, largest_difference};
use serde::Deserialize;
use std::collections::HashMap;
use wardrobe::adapters::{BaseInfo, LoadedAdapter, load};
use wardrobe::model::{Decoder, Wear, WeightFormat, Worn};

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
