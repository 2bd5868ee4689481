//! `generation_config.json`: how the model's makers want it sampled. Requests override every value.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Result;
use crate::fields::{Fields, parse_object};

/// Sampling defaults; `None` where the file says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationConfig {
    /// First token of a text.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// Filler token.
    pub pad_token_id: Option<u32>,
    /// `false` asks for greedy decoding.
    pub do_sample: Option<bool>,
    /// Divides the logits; 0 asks for greedy decoding.
    pub temperature: Option<f64>,
    /// Smallest set of tokens with this much probability, in (0, 1].
    pub top_p: Option<f64>,
    /// The k likeliest tokens; 0 for all.
    pub top_k: Option<usize>,
    /// Tokens at least this fraction as likely as the likeliest, in [0, 1].
    pub min_p: Option<f64>,
    /// Divides positive and multiplies negative logits of tokens seen, above 0.
    pub repetition_penalty: Option<f64>,
    /// Most tokens to generate.
    pub max_new_tokens: Option<usize>,
}

impl GenerationConfig {
    /// Reads `generation_config.json` in a model folder; `None` if there is none.
    ///
    /// # Errors
    /// [`crate::Error::Io`], or what [`Self::parse`] says.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join("generation_config.json");
        if !path.exists() {
            return Ok(None);
        }
        Self::parse(&fs_err::read_to_string(&path)?, &path).map(Some)
    }

    /// Reads the text of a `generation_config.json`; `path` is used in messages only.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] for a field of a wrong type or range.
    pub fn parse(json: &str, path: &Path) -> Result<Self> {
        let object = parse_object(json, path)?;
        let fields = Fields::new(&object, path);
        Ok(Self {
            bos_token_id: fields.token_id("bos_token_id")?,
            eos_token_ids: fields.token_ids("eos_token_id")?,
            pad_token_id: fields.token_id("pad_token_id")?,
            do_sample: fields.bool("do_sample")?,
            temperature: within(&fields, "temperature", 0.0, 100.0)?,
            top_p: within(&fields, "top_p", 0.0, 1.0)?,
            top_k: fields.count("top_k", 0, u32::MAX as usize)?,
            min_p: within(&fields, "min_p", 0.0, 1.0)?,
            repetition_penalty: fields.positive("repetition_penalty")?,
            max_new_tokens: fields.count("max_new_tokens", 1, u32::MAX as usize)?,
        })
    }

    /// The file's contents, with the values that are set.
    pub fn to_json(&self) -> Value {
        let eos = match self.eos_token_ids.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            many => json!(many),
        };
        let all = [
            ("bos_token_id", json!(self.bos_token_id)),
            ("do_sample", json!(self.do_sample)),
            ("eos_token_id", eos),
            ("max_new_tokens", json!(self.max_new_tokens)),
            ("min_p", json!(self.min_p)),
            ("pad_token_id", json!(self.pad_token_id)),
            ("repetition_penalty", json!(self.repetition_penalty)),
            ("temperature", json!(self.temperature)),
            ("top_k", json!(self.top_k)),
            ("top_p", json!(self.top_p)),
        ];
        let set = all.into_iter().filter(|(_, value)| !value.is_null());
        Value::Object(set.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
    }
}

fn within(fields: &Fields<'_>, key: &str, min: f64, max: f64) -> Result<Option<f64>> {
    let expected = format!("a number from {min} to {max}");
    fields.typed(key, &expected, |value| value.as_f64().filter(|x| (min..=max).contains(x)))
}
