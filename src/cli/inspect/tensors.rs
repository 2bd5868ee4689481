//! What tensors there are, of which types, and whether their numbers are finite.

use super::findings::{Findings, count, size};
use formats::{Dtype, SafetensorsFile, TensorView};
use rayon::prelude::*;
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Most sentences about one kind of fault; the rest is counted.
pub(super) const MOST_SHOWN: usize = 5;

/// A single safetensors file.
pub(super) fn inspect_file(path: &Path) -> Findings {
    let mut findings = Findings::new("a safetensors file");
    let Some(file) = findings.check(SafetensorsFile::open(path)) else { return findings };
    let tensors: Vec<TensorView> = file.tensors().collect();
    totals(&tensors, &mut findings);
    for (name, value) in file.metadata().iter().take(MOST_SHOWN) {
        findings.note(format!("metadata `{name}` is {}", brief(value)));
    }
    let shapes = tensors.iter().take(MOST_SHOWN);
    let shapes: Vec<String> =
        shapes.map(|view| format!("{} {} {:?}", view.name, view.dtype, view.shape)).collect();
    if !shapes.is_empty() {
        findings.fact_as("first_tensors", json!(shapes), shapes.join("\n"));
    }
    finite(&tensors, &mut findings);
    findings
}

/// How many tensors, numbers and bytes, by type.
pub(super) fn totals(tensors: &[TensorView], findings: &mut Findings) {
    let mut by_type: BTreeMap<Dtype, [usize; 3]> = BTreeMap::new();
    for view in tensors {
        let [tensors, numbers, bytes] = by_type.entry(view.dtype).or_default();
        *tensors += 1;
        *numbers += view.elements();
        *bytes += view.bytes.len();
    }
    let parameters: usize = by_type.values().map(|[_, numbers, _]| numbers).sum();
    let bytes: usize = by_type.values().map(|[.., bytes]| bytes).sum();
    findings.fact_as("parameters", parameters, count(parameters));
    findings.fact_as("bytes", bytes, size(bytes));
    let shown = by_type.iter().map(|(dtype, [tensors, numbers, bytes])| {
        format!("{tensors} of {dtype} ({} numbers, {})", count(*numbers), size(*bytes))
    });
    let shown = shown.collect::<Vec<_>>().join("\n");
    let value: Map<_, _> = by_type
        .iter()
        .map(|(dtype, [tensors, numbers, bytes])| {
            let value = json!({"tensors": tensors, "parameters": numbers, "bytes": bytes});
            (dtype.name().to_owned(), value)
        })
        .collect();
    findings.fact_as("tensors", value, if shown.is_empty() { "none".into() } else { shown });
    if tensors.is_empty() {
        findings.problem("it holds no tensors at all");
    }
}

/// NaN and infinity, tensor by tensor.
pub(super) fn finite(tensors: &[TensorView], findings: &mut Findings) {
    let bad: Vec<(&str, usize)> = tensors
        .par_iter()
        .map(|view| (view.name, not_finite(view)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let sentence = |(name, count): &(&str, usize)| {
        format!("tensor `{name}` holds {count} numbers that are NaN or infinite")
    };
    several(bad.iter().map(sentence).collect(), "tensors hold NaN or infinity", findings);
}

/// The first sentences as problems, and one for the rest.
pub(super) fn several(sentences: Vec<String>, rest: &str, findings: &mut Findings) {
    let more = sentences.len().saturating_sub(MOST_SHOWN);
    findings.problems.extend(sentences.into_iter().take(MOST_SHOWN));
    if more > 0 {
        findings.problem(format!("{more} more {rest}"));
    }
}

/// How many numbers of a tensor have all exponent bits set. Other types than the three that
/// weights may have are not looked at.
fn not_finite(view: &TensorView) -> usize {
    let halves = |mask: u16| {
        let words = view.bytes.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes));
        words.filter(|word| word & mask == mask).count()
    };
    match view.dtype {
        Dtype::BF16 => halves(0x7f80),
        Dtype::F16 => halves(0x7c00),
        Dtype::F32 => {
            let words = view.bytes.as_chunks::<4>().0.iter();
            let words = words.map(|bytes| u32::from_le_bytes(*bytes));
            words.filter(|word| word & 0x7f80_0000 == 0x7f80_0000).count()
        }
        _ => 0,
    }
}

/// A text short enough for one line.
pub(super) fn brief(text: &str) -> String {
    let line: String =
        text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > 80 { format!("{line}...") } else { line }
}
