//! `config.json`: the shape of a Qwen2, Qwen3 or Llama decoder, with transformers' defaults.

use std::path::Path;

use serde_json::Value;

use super::refuse;
use super::rope::Rope;
use crate::fields::{Fields, parse_object};
use crate::safetensors::Dtype;
use crate::{Error, Result};

/// Limits on single fields; their products then fit 64 bits with room to spare.
const MAX_VOCAB: usize = 1 << 24;
const MAX_HIDDEN: usize = 1 << 20;
const MAX_INTERMEDIATE: usize = 1 << 22;
const MAX_LAYERS: usize = 1 << 12;
const MAX_HEADS: usize = 1 << 14;
const MAX_HEAD_DIM: usize = 1 << 14;
const MAX_POSITIONS: usize = 1 << 31;

/// The model families this program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// `Qwen2ForCausalLM`: Qwen2, Qwen2.5. Bias on q, k and v.
    Qwen2,
    /// `Qwen3ForCausalLM`: RMS norm on each head of q and k.
    Qwen3,
    /// `LlamaForCausalLM`: Llama 2, Llama 3, SmolLM2.
    Llama,
}

impl Architecture {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::Qwen2, Self::Qwen3, Self::Llama];

    /// The name in `architectures`.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Llama => "LlamaForCausalLM",
        }
    }

    /// The name in `model_type`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Llama => "llama",
        }
    }
}

/// The shape of a decoder-only transformer. Sizes are in elements.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in config.json")]
pub struct ModelConfig {
    /// Model family.
    pub architecture: Architecture,
    /// Rows of the embedding and of the head.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the MLP.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; divides [`Self::num_attention_heads`].
    pub num_key_value_heads: usize,
    /// Width of one head, even; not always `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Longest context the model was made for, in tokens.
    pub max_position_embeddings: usize,
    /// Added to the mean square in every RMS norm.
    pub rms_norm_eps: f64,
    /// Rotary position embedding.
    pub rope: Rope,
    /// Whether the head is the embedding matrix.
    pub tie_word_embeddings: bool,
    /// Whether q, k and v have a bias.
    pub qkv_bias: bool,
    /// Whether o has a bias.
    pub o_bias: bool,
    /// Whether gate, up and down have a bias.
    pub mlp_bias: bool,
    /// Standard deviation for fresh weights.
    pub initializer_range: f64,
    /// The type the weights are said to be stored in; the files themselves decide.
    pub dtype: Option<Dtype>,
    /// First token of a text, if the model uses one.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text; `generation_config.json` may name more.
    pub eos_token_ids: Vec<u32>,
    /// Filler token, if the model names one.
    pub pad_token_id: Option<u32>,
}

impl ModelConfig {
    /// Reads `config.json` in a model folder.
    ///
    /// # Errors
    /// [`Error::Io`], or what [`Self::parse`] says.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        Self::parse(&fs_err::read_to_string(&path)?, &path)
    }

    /// Like [`Self::read`], for a folder whose weights may be quantized: the decoder's shape alone.
    ///
    /// # Errors
    /// As [`Self::read`], but for `quantization_config`, which [`crate::Quantization`] reads.
    pub fn read_shape(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let object = parse_object(&fs_err::read_to_string(&path)?, &path)?;
        Self::from_object(&Fields::new(&object, &path))
    }

    /// Reads the text of a `config.json`; `path` is used in messages only.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a field of a wrong type or range, [`Error::Unsupported`] for a model
    /// that this program cannot run as transformers does.
    pub fn parse(json: &str, path: &Path) -> Result<Self> {
        let object = parse_object(json, path)?;
        let fields = Fields::new(&object, path);
        let config = Self::from_object(&fields)?;
        refuse::quantized(&fields)?;
        Ok(config)
    }

    fn from_object(fields: &Fields<'_>) -> Result<Self> {
        let architecture = architecture(fields)?;
        refuse::unsupported_features(fields)?;
        let config = Self::from_fields(architecture, fields)?;
        refuse::sliding_window(fields, config.num_hidden_layers)?;
        config.check(fields.path())?;
        Ok(config)
    }

    fn from_fields(architecture: Architecture, fields: &Fields<'_>) -> Result<Self> {
        let hidden_size = fields.required_count("hidden_size", MAX_HIDDEN)?;
        let heads = fields.required_count("num_attention_heads", MAX_HEADS)?;
        let max_position_embeddings = fields
            .count("max_position_embeddings", 1, MAX_POSITIONS)?
            .unwrap_or(default_positions(architecture));
        let attention_bias = fields.bool("attention_bias")?.unwrap_or(false);
        let qwen2 = architecture == Architecture::Qwen2;
        let llama = architecture == Architecture::Llama;
        Ok(Self {
            architecture,
            vocab_size: fields.required_count("vocab_size", MAX_VOCAB)?,
            hidden_size,
            intermediate_size: fields.required_count("intermediate_size", MAX_INTERMEDIATE)?,
            num_hidden_layers: fields.required_count("num_hidden_layers", MAX_LAYERS)?,
            num_attention_heads: heads,
            num_key_value_heads: fields.count("num_key_value_heads", 1, heads)?.unwrap_or(heads),
            head_dim: head_dim(architecture, fields, hidden_size, heads)?,
            max_position_embeddings,
            rms_norm_eps: fields.positive("rms_norm_eps")?.unwrap_or(1e-6),
            rope: Rope::from_config(fields, max_position_embeddings)?,
            tie_word_embeddings: fields.bool("tie_word_embeddings")?.unwrap_or(false),
            qkv_bias: qwen2 || attention_bias,
            o_bias: !qwen2 && attention_bias,
            mlp_bias: llama && fields.bool("mlp_bias")?.unwrap_or(false),
            initializer_range: fields.positive("initializer_range")?.unwrap_or(0.02),
            dtype: dtype(fields)?,
            bos_token_id: token_or_default(fields, "bos_token_id", llama.then_some(1))?,
            eos_token_ids: eos_token_ids(fields, llama)?,
            pad_token_id: fields.token_id("pad_token_id")?,
        })
    }

    /// What no single field shows.
    fn check(&self, path: &Path) -> Result<()> {
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        if !heads.is_multiple_of(kv_heads) {
            let problem = format!(
                "`num_attention_heads` is {heads}, which must be a multiple of `num_key_value_heads`, \
                 {kv_heads}"
            );
            return Err(Error::malformed(path, problem));
        }
        if !self.head_dim.is_multiple_of(2) {
            let problem =
                format!("`head_dim` is {}; rotary embedding needs an even number", self.head_dim);
            return Err(Error::malformed(path, problem));
        }
        Ok(())
    }
}

fn architecture(fields: &Fields<'_>) -> Result<Architecture> {
    let classes = fields.strings("architectures")?.unwrap_or_default();
    let model_type = fields.str("model_type")?;
    let by_class = |name: &str| Architecture::ALL.into_iter().find(|a| a.class_name() == name);
    let by_type = |name: &str| Architecture::ALL.into_iter().find(|a| a.model_type() == name);
    let (name, found) = match (classes.first(), model_type) {
        (Some(class), _) => (class.as_str(), by_class(class)),
        (None, Some(model_type)) => (model_type, by_type(model_type)),
        (None, None) => {
            let problem = "names neither `architectures` nor `model_type`; is this the config.json of \
                           a Hugging Face model?";
            return Err(Error::malformed(fields.path(), problem));
        }
    };
    match (found, model_type) {
        (None, _) => Err(refuse::architecture(fields.path(), name)),
        (Some(found), Some(model_type)) if model_type != found.model_type() => {
            let problem = format!(
                "`architectures` says {name} but `model_type` says {model_type}; they must belong \
                 together"
            );
            Err(Error::malformed(fields.path(), problem))
        }
        (Some(found), _) => Ok(found),
    }
}

/// Transformers' class defaults.
fn default_positions(architecture: Architecture) -> usize {
    match architecture {
        Architecture::Qwen2 | Architecture::Qwen3 => 32_768,
        Architecture::Llama => 2_048,
    }
}

/// Qwen3's class default is 128; the others divide the hidden size among the heads.
fn head_dim(
    architecture: Architecture,
    fields: &Fields<'_>,
    hidden: usize,
    heads: usize,
) -> Result<usize> {
    if let Some(head_dim) = fields.count("head_dim", 1, MAX_HEAD_DIM)? {
        return Ok(head_dim);
    }
    if architecture == Architecture::Qwen3 {
        return Ok(128);
    }
    if !hidden.is_multiple_of(heads) {
        let problem = format!(
            "is {hidden}, which must be a multiple of `num_attention_heads`, {heads}, unless \
             `head_dim` is given"
        );
        return Err(fields.problem("hidden_size", &problem));
    }
    Ok(hidden / heads)
}

/// `dtype` (transformers 5) or `torch_dtype` (transformers 4); `auto` says nothing.
fn dtype(fields: &Fields<'_>) -> Result<Option<Dtype>> {
    let key = if fields.value("dtype").is_some() { "dtype" } else { "torch_dtype" };
    match fields.value(key).and_then(Value::as_str) {
        Some("auto") => Ok(None),
        _ => fields.typed(key, "float32, float16 or bfloat16", |v| Dtype::from_torch(v.as_str()?)),
    }
}

/// An absent id is the class's default; an explicit `null` is none.
fn token_or_default(fields: &Fields<'_>, key: &str, default: Option<u32>) -> Result<Option<u32>> {
    if fields.mentions(key) { fields.token_id(key) } else { Ok(default) }
}

fn eos_token_ids(fields: &Fields<'_>, llama: bool) -> Result<Vec<u32>> {
    if llama && !fields.mentions("eos_token_id") {
        return Ok(vec![2]);
    }
    fields.token_ids("eos_token_id")
}
