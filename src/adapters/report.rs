//! What was found when an adapter was loaded: coverage, ranks, scales, sizes, and whether it names
//! the base that it was loaded for. For people (`Display`) and for programs (`Serialize`).

use super::BaseInfo;
use formats::peft::{AdapterConfig, AdapterFiles};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

/// The proof that an adapter takes effect, in figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterReport {
    /// LoRA, rsLoRA or DoRA.
    pub method: Method,
    /// The base that the adapter was loaded for.
    pub base: String,
    /// The base that the adapter names.
    pub named_base: Option<String>,
    /// Whether the two names agree.
    pub base_match: BaseMatch,
    /// Every module that the adapter changes, in the model's order. Each module that the config
    /// targets is here: an adapter that lacks one is refused.
    pub modules: Vec<ModuleReport>,
    /// Layers of the base, for "in 12 of 24 layers".
    pub layers: usize,
    /// Numbers that the adapter holds.
    pub parameters: usize,
    /// Element types in the file.
    pub dtypes: Vec<String>,
    /// Bytes of the weights file.
    pub file_bytes: usize,
    /// Bytes of the packed weights in memory.
    pub memory_bytes: usize,
    /// What a user should look at.
    pub warnings: Vec<String>,
}

/// How the low-rank products are scaled and applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `alpha / r`.
    Lora,
    /// `alpha / sqrt(r)`.
    Rslora,
    /// `alpha / r`, outputs re-scaled to learnt magnitudes.
    Dora,
    /// `alpha / sqrt(r)`, outputs re-scaled to learnt magnitudes.
    DoraRslora,
}

/// Whether the adapter names the base that it was loaded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseMatch {
    /// Last parts of both names are equal.
    Same,
    /// They differ; the shapes fit all the same.
    Different,
    /// The adapter names none.
    Unnamed,
}

impl BaseMatch {
    /// Of the base that an adapter names, and the one it is loaded for.
    pub fn of(named: Option<&str>, base: &BaseInfo) -> Self {
        match named.filter(|named| !named.is_empty()) {
            None => Self::Unnamed,
            Some(named) if base.is_called(named) => Self::Same,
            Some(_) => Self::Different,
        }
    }
}

/// What an adapter changes at one module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModuleReport {
    /// The module's full name in the base.
    pub module: String,
    /// The last part of it.
    pub name: &'static str,
    /// Rank of A and B, if it has them.
    pub rank: Option<usize>,
    /// What `B·A` is multiplied by.
    pub scale: Option<f64>,
    /// Numbers that the adapter holds for it.
    pub parameters: usize,
    /// Whether its weight is replaced whole.
    pub replaced: bool,
    /// Whether anything differs from the base.
    pub has_effect: bool,
}

impl AdapterReport {
    pub(super) fn new(
        files: &AdapterFiles,
        base: &BaseInfo,
        modules: Vec<ModuleReport>,
        mut warnings: Vec<String>,
        memory_bytes: usize,
    ) -> Self {
        let named_base = files.config().base_model_name_or_path.clone().filter(|n| !n.is_empty());
        let base_match = BaseMatch::of(named_base.as_deref(), base);
        warnings.extend(other_base(named_base.as_deref(), base_match, &base.name));
        let idle: Vec<_> = modules.iter().filter(|m| !m.has_effect).map(|m| &*m.module).collect();
        if let Some(first) = idle.first() {
            let (idle, all) = (idle.len(), modules.len());
            warnings.push(format!("{idle} of {all} modules change nothing, {first} first"));
        }
        let dtypes: BTreeSet<_> = files.tensors().tensors().map(|view| view.dtype.name()).collect();
        Self {
            method: Method::of(files.config()),
            base: base.name.clone(),
            named_base,
            base_match,
            layers: base.config.num_hidden_layers,
            parameters: modules.iter().map(|module| module.parameters).sum(),
            modules,
            dtypes: dtypes.into_iter().map(String::from).collect(),
            file_bytes: files.file_bytes(),
            memory_bytes,
            warnings,
        }
    }

    /// Why the adapter has no effect, where [it has none](Self::has_no_effect).
    pub fn what_is_zero(&self) -> &'static str {
        let mut scales = self.modules.iter().filter_map(|module| module.scale).peekable();
        if scales.peek().is_some() && scales.all(|scale| scale == 0.0) {
            "lora_alpha is 0"
        } else {
            "every lora_A or lora_B is zero"
        }
    }

    /// Whether the adapter changes nothing at all: the model answers as the base does.
    pub fn has_no_effect(&self) -> bool {
        self.modules.iter().all(|module| !module.has_effect)
    }
}

/// What to say of an adapter that may have been made for another base.
fn other_base(named: Option<&str>, base_match: BaseMatch, loaded: &str) -> Option<String> {
    match base_match {
        BaseMatch::Same => None,
        BaseMatch::Different => {
            let named = named.unwrap_or_default();
            Some(format!(
                "it names the base {named}, loaded is {loaded}; the shapes fit all the same"
            ))
        }
        BaseMatch::Unnamed => {
            Some(format!("it names no base; whether it was made for {loaded} cannot be told"))
        }
    }
}

impl Method {
    fn of(config: &AdapterConfig) -> Self {
        match (config.use_rslora, config.use_dora) {
            (false, false) => Method::Lora,
            (true, false) => Method::Rslora,
            (false, true) => Method::Dora,
            (true, true) => Method::DoraRslora,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Lora => "LoRA",
            Method::Rslora => "rsLoRA",
            Method::Dora => "DoRA",
            Method::DoraRslora => "DoRA with rsLoRA's scale",
        })
    }
}

impl fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", self.method, self.base)?;
        writeln!(
            f,
            "{:<14}{:>8}{:>8}{:>10}{:>14}",
            "module", "layers", "rank", "scale", "parameters"
        )?;
        let mut names: Vec<&str> = Vec::new();
        for module in self.modules.iter().filter(|m| m.rank.is_some() || m.replaced) {
            if !names.contains(&module.name) {
                names.push(module.name);
                self.write_line(f, module.name)?;
            }
        }
        let (file, memory) = (size(self.file_bytes), size(self.memory_bytes));
        let (parameters, dtypes) = (self.parameters, self.dtypes.join(" and "));
        write!(f, "{parameters} parameters, {file} of {dtypes} on disk, {memory} in memory")?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

impl AdapterReport {
    /// One line of the table: all modules of one name.
    fn write_line(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let same = || self.modules.iter().filter(|module| module.name == name);
        let in_layers = same().filter(|module| module.module.starts_with("model.layers.")).count();
        let layers = match in_layers {
            0 => String::from("-"),
            count => format!("{count}/{}", self.layers),
        };
        let rank = span(same().filter_map(|module| module.rank.map(|rank| rank as f64)), "whole");
        let scale = span(same().filter_map(|module| module.scale), "-");
        let parameters: usize = same().map(|module| module.parameters).sum();
        writeln!(f, "{name:<14}{layers:>8}{rank:>8}{scale:>10}{parameters:>14}")
    }
}

/// `16`, `2..8`, or `none` where there is no value.
fn span(values: impl Iterator<Item = f64> + Clone, none: &str) -> String {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    let short = |v: f64| format!("{}", (v * 1000.0).round() / 1000.0);
    match low.total_cmp(&high) {
        Ordering::Greater => none.into(),
        Ordering::Equal => short(low),
        Ordering::Less => format!("{}..{}", short(low), short(high)),
    }
}

/// Bytes in units of 1000: `812 bytes`, `9.9 kB`, `35.2 MB`.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
