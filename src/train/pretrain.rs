//! `train pretrain`: a base model from scratch, every parameter trained, tokenizer included.
//!
//! The result is a complete Hugging Face folder in bf16. Read [`pretrain`] top to bottom.

use std::path::{Path, PathBuf};

use formats::{Architecture, Dtype, GenerationConfig, ModelConfig, Rope};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::checkpoint::write_json;
use super::corpus::{Corpus, samples};
use super::error::TrainError;
use super::events::{Event, Report};
use super::output;
use super::parameters::Parameters;
use super::plan::Plan;
use super::resolve::{Rules, settings_of};
use super::run::{self, Summary};
use super::settings::{CommonConfig, expect};
use super::stop::Stop;
use super::subject::{Place, Stage, Subject};
use super::tensors::write_parameters;
use super::text::Text;
use crate::model::{Decoder, InitConfig, TrainableAdapter};

/// The documented defaults.
pub const RECIPE: &str = include_str!("../../recipes/pretrain.toml");
/// What it asks of its settings.
pub const RULES: Rules = Rules { required: &["data", "output"], excluded: None };

const WEIGHTS: &str = "model.safetensors";

/// Settings of `train pretrain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainConfig {
    /// What every training command has.
    #[serde(flatten)]
    pub common: CommonConfig,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; divides the query heads.
    pub num_key_value_heads: usize,
    /// Width of one head, even.
    pub head_dim: usize,
    /// Width of the MLP.
    pub intermediate_size: usize,
    /// Longest context, in tokens.
    pub max_position_embeddings: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Added to the mean square in every norm.
    pub rms_norm_eps: f64,
    /// Standard deviation of fresh weights.
    pub initializer_range: f64,
    /// Tokens of the tokenizer to be trained.
    pub vocab_size: usize,
    /// A folder whose tokenizer and chat template are used instead.
    #[serde(default)]
    pub tokenizer: Option<PathBuf>,
}

/// Trains a base model and writes it to the output folder.
///
/// # Errors
/// When a setting or the data cannot be trained on, or a file cannot be read or written.
pub fn pretrain(
    config: &PretrainConfig,
    stop: &Stop,
    report: Report,
) -> Result<Summary, TrainError> {
    config.check()?;
    output::claim(&config.common.output, WEIGHTS, config.common.resume)?;
    let text = match &config.tokenizer {
        Some(dir) => Text::load(dir)?,
        None => {
            let context = config.max_position_embeddings;
            Text::trained(&config.common.data, config.vocab_size, context)?
        }
    };
    let model = config.model(&text);
    let corpus = Corpus::load(&config.common, &text, report)?;
    let mut settings = settings_of(config)?;
    settings.insert("data_digest".to_owned(), json!(corpus.digest()));

    let seed = config.common.seed;
    let init = InitConfig { seed, std: config.initializer_range as f32 };
    let decoder = Decoder::trainable(model.clone(), init)?;
    let parameters = Parameters::new(decoder.named_vars().iter().cloned());
    report(Event::Notice(&format!("training {} parameters from scratch", parameters.count())));
    let subject = Base { decoder, parameters, model, text };

    let lengths = corpus.train.iter().map(|example| example.ids.len()).collect();
    let plan = Plan::new(config.common.plan(), lengths)?;
    let config = config.common.loop_config(plan.total_steps(), settings, stop);
    let data = (&*samples(&corpus.train), &*samples(&corpus.eval));
    let summary = run::run(&subject, data, plan, &config, report)?;
    subject.write(&config.output, Stage::Final)?;
    output::write_base_card(&config.output, &subject.facts(&summary))?;
    report(Event::Saved(&config.output));
    Ok(summary)
}

impl PretrainConfig {
    /// Refuses values that make no model.
    fn check(&self) -> Result<(), TrainError> {
        self.common.check()?;
        for (name, size) in [
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("intermediate_size", self.intermediate_size),
        ] {
            expect(size > 0, name, size, "a number above 0")?;
        }
        let heads = (self.num_attention_heads, self.num_key_value_heads);
        let divides = heads.0.is_multiple_of(heads.1);
        expect(divides, "num_key_value_heads", heads.1, "a divisor of num_attention_heads")?;
        let even = self.head_dim > 0 && self.head_dim.is_multiple_of(2);
        expect(even, "head_dim", self.head_dim, "an even number above 0")?;
        for (name, value) in [
            ("rope_theta", self.rope_theta),
            ("rms_norm_eps", self.rms_norm_eps),
            ("initializer_range", self.initializer_range),
        ] {
            expect(value > 0.0 && value.is_finite(), name, value, "a number above 0")?;
        }
        let (length, limit) = (self.common.max_length, self.max_position_embeddings);
        expect(length <= limit, "max_length", length, "at most max_position_embeddings")
    }

    fn model(&self, text: &Text) -> ModelConfig {
        ModelConfig {
            architecture: Architecture::Qwen3,
            vocab_size: text.tokenizer.vocab_size(),
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            num_key_value_heads: self.num_key_value_heads,
            head_dim: self.head_dim,
            max_position_embeddings: self.max_position_embeddings,
            rms_norm_eps: self.rms_norm_eps,
            rope: Rope::plain(self.rope_theta),
            tie_word_embeddings: true,
            qkv_bias: false,
            o_bias: false,
            mlp_bias: false,
            initializer_range: self.initializer_range,
            dtype: Some(Dtype::F32),
            bos_token_id: None,
            eos_token_ids: text.ends.clone(),
            pad_token_id: text.pad,
        }
    }
}

/// A base in training and the files that go with it.
struct Base {
    decoder: Decoder,
    parameters: Parameters,
    model: ModelConfig,
    text: Text,
}

impl Base {
    fn facts(&self, summary: &Summary) -> String {
        format!(
            "{} parameters, {} optimizer steps, {} tokens.",
            self.parameters.count(),
            summary.steps,
            summary.tokens
        )
    }
}

impl Subject for Base {
    fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn adapter(&self, _place: Place) -> Option<TrainableAdapter> {
        None
    }

    fn starts_without_gradient(&self, _name: &str) -> bool {
        false
    }

    fn weights_file(&self) -> &'static str {
        WEIGHTS
    }

    /// `config.json` comes last: it is what makes the folder a model.
    fn write(&self, dir: &Path, stage: Stage) -> Result<(), TrainError> {
        let dtype = match stage {
            Stage::Checkpoint => Dtype::F32,
            Stage::Final => Dtype::BF16,
        };
        write_parameters(&dir.join(WEIGHTS), &self.parameters, dtype)?;
        output::write_files(dir, &self.text.files)?;
        let generation = GenerationConfig {
            eos_token_ids: self.text.ends.clone(),
            pad_token_id: self.text.pad,
            ..GenerationConfig::default()
        };
        write_json(&dir.join("generation_config.json"), &generation.to_json())?;
        let model = ModelConfig { dtype: Some(dtype), ..self.model.clone() };
        write_json(&dir.join("config.json"), &model.to_json())
    }
}
