//! An adapter folder as PEFT saves it: what it targets, and whether configuration and tensors agree.
//! With a base model it is loaded as serving would load it; without one, sizes of the base are unknown.

use super::findings::{Findings, size};
use super::tensors;
use crate::adapters::{self, BaseInfo};
use formats::peft::{AdapterConfig, AdapterTensor, AdapterTensorName, TargetModules, open_tensors};
use formats::{SafetensorsFile, TensorView};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) fn inspect(dir: &Path, base: Option<&Path>) -> Findings {
    let mut findings = Findings::new("a LoRA adapter folder");
    let config = findings.check(AdapterConfig::read(dir));
    if let Some(config) = &config {
        describe(config, &mut findings);
    }
    let file = findings.check(open_tensors(dir));
    if let Some(file) = &file {
        let views: Vec<TensorView> = file.tensors().collect();
        tensors::totals(&views, &mut findings);
        tensors::finite(&views, &mut findings);
    }
    if let (Some(config), Some(file)) = (&config, &file) {
        match base {
            Some(base) => fits(dir, base, &mut findings),
            None => agree(config, file, &mut findings),
        }
    }
    findings
}

fn describe(config: &AdapterConfig, findings: &mut Findings) {
    let method = match (config.use_dora, config.use_rslora) {
        (false, false) => "LoRA",
        (false, true) => "rsLoRA",
        (true, false) => "DoRA",
        (true, true) => "DoRA with rsLoRA's scale",
    };
    findings.fact("method", method);
    findings.fact("base_model", config.base_model_name_or_path.clone());
    findings.fact("rank", config.rank);
    findings.fact("alpha", config.alpha);
    findings.fact(
        "targets",
        match &config.target_modules {
            TargetModules::List(names) => names.join(", "),
            TargetModules::Regex(pattern) => pattern.source().to_owned(),
            TargetModules::AllLinear => "all-linear".to_owned(),
        },
    );
    if !config.rank_pattern.is_empty() || !config.alpha_pattern.is_empty() {
        let patterns = config.rank_pattern.len() + config.alpha_pattern.len();
        findings.note(format!("{patterns} patterns give single modules another rank or alpha"));
    }
    if !config.modules_to_save.is_empty() {
        let names = config.modules_to_save.iter().map(|pattern| pattern.source().to_owned());
        findings.fact("modules_to_save", names.collect::<Vec<_>>());
    }
}

/// The whole check that loading does, against a base model.
fn fits(dir: &Path, base: &Path, findings: &mut Findings) {
    let name = base.file_name().unwrap_or(base.as_os_str()).to_string_lossy().into_owned();
    let Some(base) = findings.check(BaseInfo::open(base, &name)) else { return };
    let Some(loaded) = findings.check(adapters::load(dir, &base)) else { return };
    let report = &loaded.report;
    findings.fact("generation", loaded.id.to_string());
    let bytes = report.memory_bytes;
    findings.fact_as("memory", bytes, size(bytes));
    let value = serde_json::to_value(&**report).unwrap_or_default();
    findings.fact_as("on_the_base", value, report.to_string());
    if report.has_no_effect() {
        findings.problem(NO_EFFECT);
    }
}

const NO_EFFECT: &str = "every lora_B is zero, so the model would answer as its base does; was the \
                         adapter saved before it was trained?";

/// The two halves of a module's pair.
#[derive(Default)]
struct Pair<'a> {
    a: Option<TensorView<'a>>,
    b: Option<TensorView<'a>>,
}

/// What can be told without a base: names, pairs, ranks, and whether anything is changed.
fn agree(config: &AdapterConfig, file: &SafetensorsFile, findings: &mut Findings) {
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    let mut other = 0;
    let mut unknown = Vec::new();
    for view in file.tensors() {
        match AdapterTensorName::parse(view.name, config, file.path()) {
            Ok(AdapterTensorName { module, kind }) => match kind {
                AdapterTensor::LoraA | AdapterTensor::EmbeddingA => {
                    pairs.entry(module).or_default().a = Some(view);
                }
                AdapterTensor::LoraB | AdapterTensor::EmbeddingB => {
                    pairs.entry(module).or_default().b = Some(view);
                }
                _ => other += 1,
            },
            Err(error) => unknown.push(error.to_string()),
        }
    }
    tensors::several(unknown, "tensors have names that belong to no LoRA adapter", findings);
    coverage(&pairs, findings);
    let wrong = pairs.iter().filter_map(|(module, pair)| disagreement(config, module, pair));
    tensors::several(wrong.collect(), "modules disagree with adapter_config.json", findings);
    if pairs.is_empty() && other == 0 {
        findings.problem("its file holds no pair of lora_A and lora_B");
    }
    let zero = |pair: &Pair| pair.b.is_none_or(|b| b.bytes.iter().all(|byte| *byte == 0));
    if other == 0 && !pairs.is_empty() && pairs.values().all(zero) {
        findings.problem(NO_EFFECT);
    }
    findings.note("name a base with --model to check every shape against it");
}

fn coverage(pairs: &BTreeMap<String, Pair>, findings: &mut Findings) {
    let kind = |module: &String| module.rsplit('.').next().unwrap_or_default().to_owned();
    let kinds: BTreeSet<String> = pairs.keys().map(kind).collect();
    let kinds: Vec<String> = kinds.into_iter().collect();
    let shown = format!("{} modules: {}", pairs.len(), kinds.join(", "));
    findings.fact_as("modules", json!({"count": pairs.len(), "kinds": kinds}), shown);
}

/// What is wrong between the configuration and one module's tensors.
fn disagreement(config: &AdapterConfig, module: &str, pair: &Pair) -> Option<String> {
    let (a, b) = match (&pair.a, &pair.b) {
        (Some(a), Some(b)) => (a, b),
        (Some(a), None) => return Some(format!("`{}` has no lora_B beside it", a.name)),
        (None, Some(b)) => return Some(format!("`{}` has no lora_A beside it", b.name)),
        (None, None) => return None,
    };
    if !config.targets(module) {
        return Some(format!(
            "`{}` is in the file, but adapter_config.json does not target {module}",
            a.name
        ));
    }
    let rank = config.rank_for(module);
    match (a.shape, b.shape) {
        (&[a_rank, _], &[_, b_rank]) if a_rank == rank && b_rank == rank => None,
        (&[a_rank, _], &[_, b_rank]) if a_rank == b_rank => Some(format!(
            "adapter_config.json gives {module} rank {rank}, but its tensors have rank {a_rank}"
        )),
        (a_shape, b_shape) => Some(format!(
            "the pair of {module} has shapes {a_shape:?} and {b_shape:?}; expected [{rank}, inputs] \
             and [outputs, {rank}]"
        )),
    }
}
