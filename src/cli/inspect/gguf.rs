//! A GGUF file: its types of tensors, and whether it holds a model that can be served: configuration,
//! tensors, tokenizer and chat template. Nothing is run.

use super::findings::{Findings, count, size};
use super::{model, tensors};
use crate::model::{ChatTemplate, ModelFiles, SpecialTokens, Tokenizer, expected_tensors};
use formats::ModelConfig;
use formats::gguf::{GgufFile, GgufTensor};
use formats::gguf_model::gguf_name;
use kernels::blocks::{BlockType, dequantize_rows};
use rayon::prelude::*;
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Values that are de-quantized at a time to be looked at.
const CHUNK: usize = 1 << 16;

pub(super) fn inspect(path: &Path) -> Findings {
    let mut findings = Findings::new("a GGUF file");
    let Some(file) = findings.check(GgufFile::open(path)) else { return findings };
    findings.fact("version", file.version());
    findings.fact("metadata_entries", file.metadata().len());
    for key in ["general.name", "general.type", "general.architecture"] {
        if let Some(text) = file.metadata().str(key) {
            findings.note(format!("metadata `{key}` is {}", tensors::brief(text)));
        }
    }
    totals(&file, &mut findings);
    finite(&file, &mut findings);
    if file.metadata().str("general.type").is_some_and(|kind| kind != "model") {
        findings.note("it is no model, so nothing more was looked at");
        return findings;
    }
    if let Some(config) = findings.check(ModelConfig::from_gguf(&file)) {
        model::describe(&config, &mut findings);
        weights(&file, &config, &mut findings);
        if let Ok(files) = ModelFiles::open(path) {
            model::unused(&files, &mut findings);
        }
        let loaded = Tokenizer::from_gguf(&file);
        let special = match &loaded {
            Ok(tokenizer) => tokenizer.special().clone(),
            Err(_) => SpecialTokens::default(),
        };
        model::tokenizer(loaded, Some(&config), &mut findings);
        model::template(ChatTemplate::from_gguf(&file, &special), &mut findings);
    }
    findings
}

/// How many tensors, numbers and bytes, by type.
fn totals(file: &GgufFile, findings: &mut Findings) {
    let mut by_type: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for tensor in file.tensors() {
        let [tensors, numbers, bytes] = by_type.entry(tensor.kind.name).or_default();
        *tensors += 1;
        *numbers += elements(tensor);
        *bytes += tensor.bytes();
    }
    let parameters: usize = by_type.values().map(|[_, numbers, _]| numbers).sum();
    let bytes: usize = by_type.values().map(|[.., bytes]| bytes).sum();
    findings.fact_as("parameters", parameters, count(parameters));
    findings.fact_as("bytes", bytes, size(bytes));
    let shown = by_type.iter().map(|(name, [tensors, numbers, bytes])| {
        format!("{tensors} of {name} ({} numbers, {})", count(*numbers), size(*bytes))
    });
    let shown = shown.collect::<Vec<_>>().join("\n");
    let each = by_type.iter().map(|(name, [tensors, numbers, bytes])| {
        let value = json!({"tensors": tensors, "parameters": numbers, "bytes": bytes});
        ((*name).to_owned(), value)
    });
    let value: Map<_, _> = each.collect();
    findings.fact_as("tensors", value, if shown.is_empty() { "none".into() } else { shown });
    if file.tensors().is_empty() {
        findings.problem("it holds no tensors at all");
    }
}

fn elements(tensor: &GgufTensor) -> usize {
    tensor.shape.iter().product()
}

/// NaN and infinity, tensor by tensor, of the types that are read.
fn finite(file: &GgufFile, findings: &mut Findings) {
    let bad = file.tensors().par_iter().map(|tensor| (tensor, not_finite(file, tensor)));
    let bad: Vec<_> = bad.filter(|(_, count)| *count > 0).collect();
    let sentence = |(tensor, count): &(&GgufTensor, usize)| {
        format!("tensor `{}` holds {count} numbers that are NaN or infinite", tensor.name)
    };
    let sentences = bad.iter().map(sentence).collect();
    tensors::several(sentences, "tensors hold NaN or infinity", findings);
}

fn not_finite(file: &GgufFile, tensor: &GgufTensor) -> usize {
    let Some(kind) = BlockType::from_id(tensor.kind.id) else { return 0 };
    let chunks = file.tensor_bytes(tensor).par_chunks(kind.row_bytes(CHUNK));
    let bad = chunks.map(|bytes| {
        let mut values = vec![0.0; bytes.len() / kind.block_bytes() * kind.block_len()];
        dequantize_rows(kind, bytes, &mut values);
        values.iter().filter(|value| !value.is_finite()).count()
    });
    bad.sum()
}

/// Whether the tensors are those that the configuration asks for, of types that are read.
fn weights(file: &GgufFile, config: &ModelConfig, findings: &mut Findings) {
    let expected = expected_tensors(config);
    let names: Vec<(String, &[usize])> = expected
        .iter()
        .map(|(name, shape)| (gguf_name(name).unwrap_or_else(|| name.clone()), &shape[..]))
        .collect();
    let wrong = names.iter().filter_map(|(name, shape)| {
        let tensor = file.require(name, shape).map_err(|error| error.to_string());
        match tensor.map(|tensor| tensor.kind) {
            Err(problem) => Some(problem),
            Ok(kind) if BlockType::from_id(kind.id).is_none() => {
                Some(format!("tensor `{name}` is of type {kind}, which is not read"))
            }
            Ok(_) => None,
        }
    });
    tensors::several(wrong.collect(), "tensors are missing or wrong", findings);
}
