//! `adapter_config.json`: every field that changes what a loaded LoRA adapter computes, typed.

use std::path::Path;

use serde_json::{Map, Value};

use super::pattern::ModulePattern;
use super::{fields, refuse};
use crate::Result;
use crate::fields::{Fields, parse_object};

/// A LoRA adapter's configuration.
///
/// Fields that do nothing to a loaded adapter (`peft_version`, `inference_mode` ...) are kept in
/// [`Self::other`]; fields that would change it in ways unknown here are refused when it is read.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in PEFT")]
pub struct AdapterConfig {
    /// Rank of every pair A, B that no pattern overrides (`r`), at least 1.
    pub rank: usize,
    /// Numerator of the scale, where no pattern overrides it (`lora_alpha`).
    pub alpha: f64,
    /// Dropout before A while training (`lora_dropout`), in [0, 1).
    pub dropout: f64,
    /// Scale by `alpha / sqrt(rank)` instead of `alpha / rank`.
    pub use_rslora: bool,
    /// Weight-decomposed: outputs re-scaled to a learnt magnitude.
    pub use_dora: bool,
    /// Whether B has a bias, scaled like B.
    pub lora_bias: bool,
    /// Set for base layers that store their weight transposed (GPT-2's `Conv1D`); PEFT ignores it for
    /// ordinary linear layers, which is all that the supported models have.
    pub fan_in_fan_out: bool,
    /// Which biases of the base were trained and lie in the adapter's file.
    pub bias: Bias,
    /// Modules that have a pair A, B.
    pub target_modules: TargetModules,
    /// Modules that have none although [`Self::target_modules`] names them.
    pub exclude_modules: Option<TargetModules>,
    /// Layers the targets are limited to; empty for all.
    pub layers_to_transform: Vec<usize>,
    /// Names of the lists of layers whose number counts; empty for the first number in a name.
    pub layers_pattern: Vec<ModulePattern>,
    /// Ranks of single modules; the first match wins.
    pub rank_pattern: Vec<(ModulePattern, usize)>,
    /// Alphas of single modules; the first match wins.
    pub alpha_pattern: Vec<(ModulePattern, f64)>,
    /// Modules replaced whole by what the file holds.
    pub modules_to_save: Vec<ModulePattern>,
    /// How A and B began; a base that was changed for it has been refused.
    pub init_lora_weights: InitLoraWeights,
    /// Whether an adapter on the embedding is one on the head too, and the reverse. PEFT heeds it only
    /// where the base ties the two: set it to false for an untied base.
    pub ensure_weight_tying: bool,
    /// The base model's name or folder when the adapter was saved.
    pub base_model_name_or_path: Option<String>,
    /// The base model's revision when the adapter was saved.
    pub revision: Option<String>,
    /// `CAUSAL_LM` or nothing.
    pub task_type: Option<String>,
    /// Every other field of the file, none of which changes the outcome.
    pub other: Map<String, Value>,
}

/// Which modules a list, a pattern or a word names.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetModules {
    /// Whole names, or their ends behind a dot.
    List(Vec<String>),
    /// Whole names that match.
    Regex(ModulePattern),
    /// `all-linear`: every linear layer but the head.
    AllLinear,
}

/// Biases of the base model that were trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// None.
    None,
    /// Every bias of the model.
    All,
    /// Those of the modules that have a pair A, B.
    LoraOnly,
}

/// How A and B were initialised; only kinds that leave the base as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitLoraWeights {
    /// A from Kaiming's uniform distribution, B zero (`true`).
    Default,
    /// A and B random (`false`).
    Random,
    /// Another kind by PEFT's name: `gaussian`, `orthogonal`, `eva` or `mica`.
    Named(String),
}

impl AdapterConfig {
    /// A plain LoRA adapter with PEFT's defaults for everything else.
    pub fn new(rank: usize, alpha: f64, target_modules: TargetModules) -> Self {
        Self {
            rank,
            alpha,
            dropout: 0.0,
            use_rslora: false,
            use_dora: false,
            lora_bias: false,
            fan_in_fan_out: false,
            bias: Bias::None,
            target_modules,
            exclude_modules: None,
            layers_to_transform: Vec::new(),
            layers_pattern: Vec::new(),
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            modules_to_save: Vec::new(),
            init_lora_weights: InitLoraWeights::Default,
            ensure_weight_tying: false,
            base_model_name_or_path: None,
            revision: None,
            task_type: Some("CAUSAL_LM".to_owned()),
            other: Map::new(),
        }
    }

    /// Reads `adapter_config.json` in an adapter folder.
    ///
    /// # Errors
    /// [`crate::Error::Io`], or what [`Self::parse`] says.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("adapter_config.json");
        Self::parse(&fs_err::read_to_string(&path)?, &path)
    }

    /// Reads the text of an `adapter_config.json`; `path` is used in messages only.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] for a field of a wrong type or range,
    /// [`crate::Error::Unsupported`] for one that asks for a computation unknown here.
    pub fn parse(json: &str, path: &Path) -> Result<Self> {
        let object = parse_object(json, path)?;
        let file = Fields::new(&object, path);
        refuse::other_kinds(&file)?;
        refuse::unsupported_fields(&file)?;
        refuse::null_numbers(&file)?;
        let config = Self {
            rank: file.count("r", 1, fields::MAX_RANK)?.unwrap_or(8),
            alpha: file.finite("lora_alpha")?.unwrap_or(8.0),
            dropout: fields::dropout(&file)?,
            use_rslora: file.bool("use_rslora")?.unwrap_or(false),
            use_dora: file.bool("use_dora")?.unwrap_or(false),
            lora_bias: file.bool("lora_bias")?.unwrap_or(false),
            fan_in_fan_out: file.bool("fan_in_fan_out")?.unwrap_or(false),
            bias: fields::bias(&file)?,
            target_modules: fields::target_modules(&file)?,
            exclude_modules: fields::exclude_modules(&file)?,
            layers_to_transform: fields::layers_to_transform(&file)?,
            layers_pattern: fields::patterns(&file, "layers_pattern", ModulePattern::before_index)?,
            rank_pattern: fields::rank_pattern(&file)?,
            alpha_pattern: fields::alpha_pattern(&file)?,
            modules_to_save: fields::patterns(&file, "modules_to_save", ModulePattern::within)?,
            init_lora_weights: fields::init_lora_weights(&file)?,
            ensure_weight_tying: file.bool("ensure_weight_tying")?.unwrap_or(false),
            base_model_name_or_path: file.str("base_model_name_or_path")?.map(str::to_owned),
            revision: file.str("revision")?.map(str::to_owned),
            task_type: file.str("task_type")?.map(str::to_owned),
            other: refuse::other_fields(&file, &object)?,
        };
        refuse::contradictions(&config, path)?;
        Ok(config)
    }
}
