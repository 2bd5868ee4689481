//! The decoder against transformers: logits of tiny models of every supported shape.

use crate::tiny::{TOLERANCE, checkpoint, expected, golden, largest_difference};
use wardrobe::model::{Decoder, Kv, Step, Wear, WeightFormat};

/// Logits `[positions, vocab]` of one sequence, run whole.
pub(crate) fn logits(decoder: &Decoder, ids: &[u32], positions: &[usize], wear: Wear) -> Vec<f32> {
    let at: Vec<u32> = (0..).take(ids.len()).collect();
    let step = Step { ids, positions: &at, wear, kv: Kv::Fresh { lens: &[ids.len()] } };
    let hidden = decoder.hidden(&step).unwrap();
    let rows: Vec<u32> = positions.iter().map(|&p| u32::try_from(p).unwrap()).collect();
    let logits = decoder.logits(&hidden, &rows, &wear).unwrap();
    logits.flatten_all().unwrap().to_vec1().unwrap()
}

/// Runs one golden case and returns its largest difference from transformers.
fn difference(case: &str, format: WeightFormat) -> f32 {
    let case = golden("model", case);
    let folder = checkpoint(&case);
    let decoder = Decoder::load(folder.path(), format).unwrap();
    let expected = expected(&case.join("expected.safetensors"));
    let found = logits(&decoder, &expected.ids, &expected.positions, Wear::Base);
    largest_difference(&found, &expected.logits)
}

#[test]
fn every_case_equals_transformers() {
    let cases = fs_err::read_dir(golden("model", "")).unwrap().map(|entry| entry.unwrap());
    let folders = cases.filter(|entry| entry.path().join("config.json").exists());
    let names: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), 12, "{names:?}");
    let differences = names.iter().map(|name| (name, difference(name, WeightFormat::F32)));
    let wrong: Vec<_> = differences.filter(|(_, most)| *most > TOLERANCE).collect();
    assert!(wrong.is_empty(), "differ from transformers by more than {TOLERANCE}: {wrong:?}");
}

#[test]
fn bf16_packing_loses_nothing_of_bf16_weights() {
    let difference = difference("qwen3_bf16", WeightFormat::Bf16);
    assert!(difference <= TOLERANCE, "{difference}");
}
