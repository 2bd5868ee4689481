//! `train sft`: a LoRA adapter on a frozen base, from examples of what to answer.
//!
//! The result is a PEFT adapter folder. Read [`sft`] top to bottom.

use std::path::{Path, PathBuf};

use formats::ModelConfig;
use formats::peft::{AdapterConfig, TargetModules};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::corpus::{Corpus, samples};
use super::error::TrainError;
use super::events::{Event, Report};
use super::lora::{self, LoraAdapter};
use super::output;
use super::parameters::Parameters;
use super::plan::Plan;
use super::record::TrainingRecord;
use super::resolve::{Rules, settings_of};
use super::run::{self, Summary};
use super::settings::{CommonConfig, expect, one_or_many};
use super::stop::Stop;
use super::subject::{Place, Stage, Subject};
use super::text::Text;
use crate::model::{Decoder, Site, TrainableAdapter, WeightFormat};

/// The documented defaults.
pub const RECIPE: &str = include_str!("../../recipes/sft.toml");
/// What it asks of its settings.
pub const RULES: Rules = Rules {
    required: &["data", "output"],
    excluded: Some((
        "adapter",
        &["lora_r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "target_modules"],
    )),
};

/// Stands for every linear of the layers.
const ALL_LINEAR: &str = "all-linear";

/// Settings of `train sft`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SftConfig {
    /// What every training command has.
    #[serde(flatten)]
    pub common: CommonConfig,
    /// The base: a folder, or a hub id.
    pub model: String,
    /// How the frozen base is held in memory.
    pub weights: WeightFormat,
    /// An adapter folder to go on from.
    #[serde(default)]
    pub adapter: Option<PathBuf>,
    /// Rank.
    pub lora_r: usize,
    /// Numerator of the scale.
    pub lora_alpha: f64,
    /// Dropout on the input of A.
    pub lora_dropout: f64,
    /// Scale by `alpha / sqrt(r)`.
    pub use_rslora: bool,
    /// Weight-decomposed LoRA.
    pub use_dora: bool,
    /// Linears that are adapted, or `all-linear`.
    #[serde(deserialize_with = "one_or_many")]
    pub target_modules: Vec<String>,
}

/// Trains an adapter on the base in the folder `base` and writes it to the output folder.
///
/// # Errors
/// When a setting or the data cannot be trained on, or a file cannot be read or written.
pub fn sft(
    config: &SftConfig,
    base: &Path,
    stop: &Stop,
    report: Report,
) -> Result<Summary, TrainError> {
    config.common.check()?;
    output::claim(&config.common.output, lora::WEIGHTS, config.common.resume)?;
    let shape = ModelConfig::read(base)?;
    let adapter = config.start(&shape)?;
    let text = Text::load(base)?;
    let corpus = Corpus::load(&config.common, &text, report)?;
    let mut settings = settings_of(config)?;
    let digest = corpus.digest();
    settings.insert("data_digest".to_owned(), json!(digest));

    let decoder = Decoder::load(base, config.weights)?;
    let parameters = adapter.parameters();
    let (count, tensors) = (parameters.count(), parameters.len());
    report(Event::Notice(&format!("training {count} parameters in {tensors} tensors")));
    let continued = config.adapter.is_some();
    let subject = Wearer { decoder, adapter, text, base: config.model.clone(), continued };

    let lengths = corpus.train.iter().map(|example| example.ids.len()).collect();
    let plan = Plan::new(config.common.plan(), lengths)?;
    let looped = config.common.loop_config(plan.total_steps(), settings, stop);
    let data = (&*samples(&corpus.train), &*samples(&corpus.eval));
    let summary = run::run(&subject, data, plan, &looped, report)?;
    subject.adapter.check_effect()?;
    TrainingRecord::new(&config.common, digest, &summary).write(&looped.output)?;
    subject.write(&looped.output, Stage::Final)?;
    report(Event::Saved(&looped.output));
    Ok(summary)
}

impl SftConfig {
    /// The adapter as it is before the first step.
    fn start(&self, base: &ModelConfig) -> Result<LoraAdapter, TrainError> {
        let (length, context) = (self.common.max_length, base.max_position_embeddings);
        let limit = format!("at most the base's context of {context} tokens");
        expect(length <= context, "max_length", length, &limit)?;
        let seed = self.common.seed;
        if let Some(dir) = &self.adapter {
            return LoraAdapter::continued(dir, self.model.clone(), base, seed);
        }
        let (rank, width) = (self.lora_r, base.hidden_size);
        let ranks = format!("a rank from 1 to {width}, the base's width: more adds nothing");
        expect((1..=width).contains(&rank), "lora_r", rank, &ranks)?;
        let alpha = self.lora_alpha;
        expect(alpha > 0.0 && alpha.is_finite(), "lora_alpha", alpha, "a number above 0")?;
        let dropout = self.lora_dropout;
        expect((0.0..1.0).contains(&dropout), "lora_dropout", dropout, "at least 0, below 1")?;
        let config = AdapterConfig {
            dropout,
            use_rslora: self.use_rslora,
            use_dora: self.use_dora,
            base_model_name_or_path: Some(self.model.clone()),
            ..AdapterConfig::new(self.lora_r, self.lora_alpha, self.targets()?)
        };
        LoraAdapter::fresh(config, base, seed)
    }

    /// `all-linear` is written out, as PEFT does when it saves an adapter.
    fn targets(&self) -> Result<TargetModules, TrainError> {
        let names = &self.target_modules;
        if !names.iter().any(|name| name == ALL_LINEAR) {
            return Ok(TargetModules::List(names.clone()));
        }
        let alone = "all-linear by itself, or names of linears without it";
        expect(names.len() == 1, "target_modules", names.join(","), alone)?;
        let all = Site::ALL.iter().map(|site| site.name().to_owned());
        Ok(TargetModules::List(all.collect()))
    }
}

/// A frozen base and the adapter it wears while that is trained.
struct Wearer {
    decoder: Decoder,
    adapter: LoraAdapter,
    text: Text,
    base: String,
    continued: bool,
}

impl Subject for Wearer {
    fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    fn parameters(&self) -> &Parameters {
        self.adapter.parameters()
    }

    fn adapter(&self, place: Place) -> Option<TrainableAdapter> {
        Some(self.adapter.worn(place))
    }

    /// A fresh B is zero, so A gets no gradient before B has moved.
    fn starts_without_gradient(&self, name: &str) -> bool {
        !self.continued && name.contains("lora_A")
    }

    fn weights_file(&self) -> &'static str {
        lora::WEIGHTS
    }

    fn write(&self, dir: &Path, _stage: Stage) -> Result<(), TrainError> {
        output::write_files(dir, &self.text.files)?;
        output::write_adapter_card(dir, &self.base, self.adapter.config())?;
        self.adapter.write(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::super::resolve::resolve;
    use super::*;

    fn targets(names: &str) -> Result<TargetModules, TrainError> {
        let text = format!("data = 'a'\noutput = 'b'\ntarget_modules = {names}");
        let config: SftConfig = resolve(RECIPE, None, text.parse().unwrap(), RULES).unwrap();
        config.targets()
    }

    #[test]
    fn all_linear_stands_alone() {
        let list = |names: &[&str]| {
            TargetModules::List(names.iter().map(|&name| name.to_owned()).collect())
        };
        let all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
        assert_eq!(targets("'all-linear'").unwrap(), list(&all));
        assert_eq!(targets("['q_proj', 'v_proj']").unwrap(), list(&["q_proj", "v_proj"]));
        let error = targets("['all-linear', 'q_proj']").unwrap_err().to_string();
        assert!(error.contains("all-linear by itself"), "{error}");
    }
}
