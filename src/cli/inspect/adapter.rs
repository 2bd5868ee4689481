//! An adapter folder as PEFT saves it: what it targets, and whether configuration and tensors agree.
//! With a base model it is loaded as serving would load it; without one, sizes of the base are unknown.

use super::findings::{Findings, size};
use super::tensors;
use crate::adapters::{self, BaseInfo, BaseMatch};
use formats::peft::{AdapterConfig, AdapterTensor, AdapterTensorName, TargetModules, open_tensors};
use formats::{SafetensorsFile, TensorView};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) fn inspect(dir: &Path, base: Option<&Path>) -> Findings {
    let mut findings = Findings::new("a LoRA adapter folder");
    if !dir.join("adapter_config.json").exists() {
        findings.problem(
            "it holds no adapter_config.json; expected an adapter folder as PEFT saves it, with \
             adapter_config.json and adapter_model.safetensors",
        );
        return findings;
    }
    let config = findings.check(AdapterConfig::read(dir));
    let base = base.map(|base| findings.check(open_base(base)));
    if let Some(config) = &config {
        describe(config, base.as_ref().and_then(Option::as_ref), &mut findings);
    }
    let file = findings.check(open_tensors(dir));
    if let Some(file) = &file {
        let views: Vec<TensorView> = file.tensors().collect();
        tensors::totals(&views, &mut findings);
        tensors::finite(&views, &mut findings);
    }
    if let (Some(config), Some(file)) = (&config, &file) {
        match &base {
            Some(Some(base)) => fits(dir, base, &mut findings),
            Some(None) => {}
            None => agree(config, file, &mut findings),
        }
    }
    findings
}

fn open_base(path: &Path) -> adapters::Result<BaseInfo> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    BaseInfo::open(path, &name)
}

fn describe(config: &AdapterConfig, base: Option<&BaseInfo>, findings: &mut Findings) {
    let method = match (config.use_dora, config.use_rslora) {
        (false, false) => "LoRA",
        (false, true) => "rsLoRA",
        (true, false) => "DoRA",
        (true, true) => "DoRA with rsLoRA's scale",
    };
    findings.fact("method", method);
    let named = config.base_model_name_or_path.as_deref();
    findings.fact("base_model", named);
    if let Some(base) = base {
        let base_match = BaseMatch::of(named, base);
        let shown = match base_match {
            BaseMatch::Same => format!("yes, {}", base.name),
            BaseMatch::Different => format!("NO: the base it names is not {}", base.name),
            BaseMatch::Unnamed => "unknown: it names no base".to_owned(),
        };
        findings.fact_as("base_match", serde_json::to_value(base_match).unwrap_or_default(), shown);
    }
    findings.fact("rank", config.rank);
    findings.fact("alpha", config.alpha);
    findings.fact(
        "targets",
        match &config.target_modules {
            TargetModules::List(names) if names.is_empty() => "none".to_owned(),
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
fn fits(dir: &Path, base: &BaseInfo, findings: &mut Findings) {
    let Some(loaded) = findings.check(adapters::load(dir, base)) else { return };
    let report = &loaded.report;
    findings.fact("generation", loaded.id.to_string());
    let bytes = report.memory_bytes;
    findings.fact_as("memory", bytes, size(bytes));
    let value = serde_json::to_value(&**report).unwrap_or_default();
    findings.fact_as("on_the_base", value, report.to_string());
    if report.has_no_effect() {
        findings.problem(no_effect(report.what_is_zero()));
    }
}

fn no_effect(zero: &str) -> String {
    format!(
        "{zero}, so the model would answer as its base does; was the adapter saved before it was trained?"
    )
}

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
        findings.problem(no_effect("every lora_B is zero"));
    } else if other == 0 && config.alpha == 0.0 && config.alpha_pattern.is_empty() {
        findings.problem(no_effect("lora_alpha is 0"));
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
