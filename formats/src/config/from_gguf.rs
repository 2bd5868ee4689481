//! The configurations that a GGUF file's metadata and tensors amount to: translated to the fields of
//! `config.json` and `generation_config.json`, whose checks they then pass.

use std::f32::consts::PI;

use serde_json::{Map, Value, json};

use super::{Architecture, GenerationConfig, ModelConfig};
use crate::gguf::{GgufFile, Value as Entry};
use crate::{Error, Result};

/// Context lengths of a first training that Llama 3's scaling is tried with.
const ORIGINAL_CONTEXTS: [u32; 6] = [8192, 4096, 2048, 16384, 32768, 131_072];

impl ModelConfig {
    /// What a model's GGUF file says of its shape. Llama 3's rope scaling, of which the file keeps only
    /// the factors, is recognised by them.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a key that is missing or out of range, [`Error::Unsupported`] for a
    /// model that this program cannot run as llama.cpp does.
    pub fn from_gguf(file: &GgufFile) -> Result<Self> {
        let reader = Reader::new(file)?;
        let mut object = reader.shape()?;
        object.insert("rope_theta".into(), json!(reader.float("rope.freq_base").unwrap_or(1e4)));
        object.insert("rope_scaling".into(), reader.rope_scaling(&object)?);
        Self::parse(&Value::Object(object).to_string(), file.path())
    }
}

impl GenerationConfig {
    /// The sampling defaults (`general.sampling.*`) and special tokens of a model's GGUF file.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a value out of range.
    pub fn from_gguf(file: &GgufFile) -> Result<Self> {
        let mut object = token_ids(file);
        let fields = [
            ("temperature", "temp"),
            ("top_k", "top_k"),
            ("top_p", "top_p"),
            ("min_p", "min_p"),
            ("repetition_penalty", "penalty_repeat"),
        ];
        for (field, key) in fields {
            if let Some(value) = file.metadata().get(&format!("general.sampling.{key}")) {
                object.insert(field.to_owned(), number(value));
            }
        }
        Self::parse(&Value::Object(object).to_string(), file.path())
    }
}

/// A number as JSON; a single-precision one by its shortest decimal, as people write it.
fn number(value: &Entry) -> Value {
    match *value {
        Entry::F32(x) => x.to_string().parse::<f64>().map_or(Value::Null, Value::from),
        Entry::F64(x) => json!(x),
        Entry::I32(n) => json!(n),
        Entry::U32(n) => json!(n),
        Entry::I64(n) => json!(n),
        Entry::U64(n) => json!(n),
        _ => Value::Null,
    }
}

/// `bos_token_id`, `pad_token_id` and, of all that end an answer, `eos_token_id`.
fn token_ids(file: &GgufFile) -> Map<String, Value> {
    let id = |role: &str| file.metadata().unsigned(&format!("tokenizer.ggml.{role}_token_id"));
    let mut ends: Vec<u64> = ["eos", "eot", "eom"].into_iter().filter_map(id).collect();
    ends.dedup();
    let mut object = Map::new();
    object.insert("bos_token_id".into(), json!(id("bos")));
    object.insert("pad_token_id".into(), json!(id("padding")));
    object.insert("eos_token_id".into(), json!(ends));
    object
}

/// The metadata of one architecture.
struct Reader<'a> {
    file: &'a GgufFile,
    architecture: Architecture,
}

impl<'a> Reader<'a> {
    fn new(file: &'a GgufFile) -> Result<Self> {
        let Some(name) = file.metadata().str("general.architecture") else {
            let problem = "has no `general.architecture`; expected a model, written by llama.cpp or \
                           by this program";
            return Err(Error::malformed(file.path(), problem));
        };
        let known = Architecture::ALL.into_iter().find(|known| known.model_type() == name);
        let Some(architecture) = known else {
            let shown: String = name.chars().take(40).collect();
            let feature = format!("the architecture {shown}");
            return Err(Error::unsupported(
                file.path(),
                feature,
                "use a qwen2, qwen3 or llama model",
            ));
        };
        Ok(Self { file, architecture })
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture.model_type())
    }

    fn get(&self, key: &str) -> Option<&'a Entry> {
        self.file.metadata().get(&self.key(key))
    }

    fn problem(&self, problem: impl Into<String>) -> Error {
        Error::malformed(self.file.path(), problem)
    }

    fn count(&self, key: &str) -> Result<Option<u64>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => {
                let count = self.file.metadata().unsigned(&self.key(key)).map(Some);
                let key = self.key(key);
                count.ok_or_else(|| {
                    let found: String = format!("{value:?}").chars().take(40).collect();
                    self.problem(format!("`{key}` must be a whole number from 0, found {found}"))
                })
            }
        }
    }

    fn required(&self, key: &str) -> Result<u64> {
        let missing =
            || self.problem(format!("`{}` is missing; convert the model again", self.key(key)));
        self.count(key)?.ok_or_else(missing)
    }

    fn float(&self, key: &str) -> Option<f64> {
        self.get(key).and_then(|value| number(value).as_f64())
    }

    fn has(&self, tensor: &str) -> bool {
        self.file.tensor(tensor).is_some()
    }

    /// Everything but the rotary embedding.
    fn shape(&self) -> Result<Map<String, Value>> {
        self.refuse_unknown()?;
        let mut object = token_ids(self.file);
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("architectures", json!([self.architecture.class_name()]));
        let Some(embedding) = self.file.tensor("token_embd.weight") else {
            return Err(self.problem(
                "has no tensor `token_embd.weight`; expected a whole model, not an adapter, a \
                 vocabulary or one part of several",
            ));
        };
        let (hidden, heads) =
            (self.required("embedding_length")?, self.required("attention.head_count")?);
        set("vocab_size", json!(embedding.shape.first()));
        set("hidden_size", json!(hidden));
        set("intermediate_size", json!(self.required("feed_forward_length")?));
        set("num_hidden_layers", json!(self.required("block_count")?));
        set("num_attention_heads", json!(heads));
        let kv_heads = self.count("attention.head_count_kv")?.unwrap_or(heads);
        set("num_key_value_heads", json!(kv_heads));
        let head_dim = match self.count("attention.key_length")? {
            Some(length) => length,
            None => hidden.checked_div(heads).unwrap_or(0),
        };
        self.refuse_other_widths(head_dim)?;
        set("head_dim", json!(head_dim));
        set("max_position_embeddings", json!(self.required("context_length")?));
        let epsilon = self.float("attention.layer_norm_rms_epsilon");
        set("rms_norm_eps", json!(epsilon));
        set("tie_word_embeddings", json!(!self.has("output.weight")));
        if self.architecture != Architecture::Qwen2 {
            set("attention_bias", json!(self.has("blk.0.attn_q.bias")));
        }
        if self.architecture == Architecture::Llama {
            set("mlp_bias", json!(self.has("blk.0.ffn_gate.bias")));
        }
        Ok(object)
    }

    fn refuse_unknown(&self) -> Result<()> {
        let refused = [
            ("expert_count", "a mixture of experts"),
            ("attention.sliding_window", "a sliding window"),
            ("attention.clamp_kqv", "clamped attention"),
            ("logit_scale", "scaled logits"),
            ("embedding_scale", "scaled embeddings"),
            ("residual_scale", "scaled residuals"),
        ];
        for (key, what) in refused {
            let zero = self.get(key).is_none_or(|value| number(value).as_f64() == Some(0.0));
            if !zero {
                let feature = format!("`{}` ({what})", self.key(key));
                return Err(Error::unsupported(
                    self.file.path(),
                    feature,
                    "use a plain dense model",
                ));
            }
        }
        Ok(())
    }

    /// Heads of one width throughout, wholly rotated.
    fn refuse_other_widths(&self, head_dim: u64) -> Result<()> {
        for key in ["attention.value_length", "rope.dimension_count"] {
            if let Some(found) = self.count(key)?
                && found != head_dim
            {
                let feature = format!("`{}` {found} with heads of {head_dim}", self.key(key));
                let advice = "use a model whose heads have one width and are rotated whole";
                return Err(Error::unsupported(self.file.path(), feature, advice));
            }
        }
        Ok(())
    }

    /// `rope_scaling` as config.json has it.
    fn rope_scaling(&self, shape: &Map<String, Value>) -> Result<Value> {
        if self.has("rope_freqs.weight") {
            return self.llama3(shape);
        }
        let kind = self.file.metadata().str(&self.key("rope.scaling.type")).unwrap_or("none");
        let factor = self.float("rope.scaling.factor");
        let original = self.count("rope.scaling.original_context_length")?;
        match kind {
            "none" => Ok(Value::Null),
            "linear" => Ok(json!({"rope_type": "linear", "factor": factor})),
            "yarn" => {
                // llama.cpp multiplies by the paper's factor itself; the key holds what differs.
                let scale =
                    factor.filter(|&factor| factor > 1.0).map_or(1.0, |f| 0.1 * f.ln() + 1.0);
                let own = self.float("rope.scaling.yarn_attn_factor");
                Ok(json!({
                    "rope_type": "yarn",
                    "factor": factor,
                    "original_max_position_embeddings": original,
                    "attention_factor": own.map(|own| own * scale),
                    "beta_fast": self.float("rope.scaling.yarn_beta_fast"),
                    "beta_slow": self.float("rope.scaling.yarn_beta_slow"),
                }))
            }
            other => {
                let shown: String = other.chars().take(40).collect();
                let feature = format!("the rope scaling {shown}");
                let advice = "use a model with none, linear, yarn or Llama 3's";
                Err(Error::unsupported(self.file.path(), feature, advice))
            }
        }
    }

    /// Llama 3's scaling whose factors are those of `rope_freqs.weight`.
    fn llama3(&self, shape: &Map<String, Value>) -> Result<Value> {
        let head_dim = shape.get("head_dim").and_then(Value::as_u64).unwrap_or(0);
        let pairs = usize::try_from(head_dim / 2).unwrap_or(0);
        let tensor = self.file.require("rope_freqs.weight", &[pairs])?;
        let words = self.file.tensor_bytes(tensor).chunks_exact(4);
        let found: Vec<f32> = words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let theta = self.float("rope.freq_base").unwrap_or(1e4) as f32;
        let factor = found.last().copied().unwrap_or(1.0);
        let fits = |original: &&u32| {
            let expected = llama3_factors(theta, pairs, factor, **original as f32);
            let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * b.abs();
            found.len() == pairs && found.iter().zip(&expected).all(close)
        };
        let original = ORIGINAL_CONTEXTS.iter().find(fits).ok_or_else(|| {
            let advice = "use a model whose `rope_freqs.weight` follows Llama 3's rule";
            Error::unsupported(self.file.path(), "this scaling of rotary frequencies", advice)
        })?;
        Ok(json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": original,
        }))
    }
}

/// What Llama 3.1's scaling divides each frequency by: 1 where a wave fits four times into the original
/// context, `factor` where it fits less than once, blended between.
fn llama3_factors(theta: f32, pairs: usize, factor: f32, original: f32) -> Vec<f32> {
    let each = (0..pairs).map(|pair| {
        let waves = original / (2.0 * PI * theta.powf(pair as f32 / pairs as f32));
        let kept = ((waves - 1.0) / 3.0).clamp(0.0, 1.0);
        1.0 / ((1.0 - kept) / factor + kept)
    });
    each.collect()
}
