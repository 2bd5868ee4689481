//! What a client may ask of sampling, and the sentences that refuse what makes no sense.
//!
//! Names and meanings are vLLM's `SamplingParams`. `n` is absent on purpose: several completions
//! of one prompt are several requests, and the prefix cache computes their prompt once.

use thiserror::Error;

/// Most alternatives that may be asked for beside each token's own log-probability.
pub const MAX_LOGPROBS: usize = 20;
/// Most stop strings in one request.
pub const MAX_STOP_STRINGS: usize = 16;
/// Longest stop string, in bytes: text of this length may be held back while a stop is undecided.
pub const MAX_STOP_BYTES: usize = 1024;

/// How the tokens of one request are chosen and when they end.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParams {
    /// Divides the logits; 0 takes the most probable token (greedy), which ignores `seed`.
    pub temperature: f32,
    /// Keeps the smallest set of most probable tokens whose probabilities reach this sum; 1 is off.
    pub top_p: f32,
    /// Keeps this many most probable tokens; 0 is off.
    pub top_k: usize,
    /// Keeps tokens at least this fraction as probable as the most probable one; 0 is off.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens seen in prompt or output; 1 is off.
    pub repetition_penalty: f32,
    /// Subtracted once from the logit of every token already in the output; 0 is off.
    pub presence_penalty: f32,
    /// Subtracted from a token's logit for each time it is in the output; 0 is off.
    pub frequency_penalty: f32,
    /// Added to the logits of single tokens: `(token id, bias)`.
    pub logit_bias: Vec<(u32, f32)>,
    /// With the position it decides every draw; `None` lets the engine pick one.
    pub seed: Option<u64>,
    /// Tokens to generate at most; 0 computes the prompt alone.
    pub max_tokens: usize,
    /// Nothing but `max_tokens` ends the answer before this many tokens.
    pub min_tokens: usize,
    /// Texts that end the answer wherever they appear in it.
    pub stop: Vec<String>,
    /// Tokens that end the answer, beside the model's own end-of-sequence tokens.
    pub stop_token_ids: Vec<u32>,
    /// Generates on through the model's end-of-sequence tokens.
    pub ignore_eos: bool,
    /// Leaves the stop text or the stop token's text in the answer.
    pub include_stop_str_in_output: bool,
    /// `Some(n)`: each token's log-probability and the `n` most probable tokens'.
    pub logprobs: Option<usize>,
    /// The same for the tokens of the prompt.
    pub prompt_logprobs: Option<usize>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: None,
            max_tokens: 16,
            min_tokens: 0,
            stop: Vec::new(),
            stop_token_ids: Vec::new(),
            ignore_eos: false,
            include_stop_str_in_output: false,
            logprobs: None,
            prompt_logprobs: None,
        }
    }
}

/// One parameter that cannot be honoured.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("`{param}` must be {expected}, but is {found}")]
pub struct InvalidParam {
    /// The field's wire name.
    pub param: &'static str,
    /// What would be accepted.
    pub expected: String,
    /// What was given.
    pub found: String,
}

impl SamplingParams {
    /// Checks every field against its range and every token id against the model's vocabulary.
    pub fn validate(&self, vocab_size: usize) -> Result<(), InvalidParam> {
        within("temperature", self.temperature, 0.0, 100.0)?;
        positive_up_to("top_p", self.top_p, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        positive_up_to("repetition_penalty", self.repetition_penalty, 100.0)?;
        within("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        at_most("logprobs", self.logprobs.unwrap_or(0), MAX_LOGPROBS)?;
        at_most("prompt_logprobs", self.prompt_logprobs.unwrap_or(0), MAX_LOGPROBS)?;
        if self.min_tokens > self.max_tokens {
            let expected = format!("at most max_tokens ({})", self.max_tokens);
            return Err(invalid("min_tokens", expected, self.min_tokens));
        }
        self.validate_token_ids(vocab_size)?;
        self.validate_stop()
    }

    fn validate_token_ids(&self, vocab_size: usize) -> Result<(), InvalidParam> {
        for &(id, bias) in &self.logit_bias {
            known_token("logit_bias", id, vocab_size)?;
            within("logit_bias", bias, -100.0, 100.0)?;
        }
        self.stop_token_ids.iter().try_for_each(|&id| known_token("stop_token_ids", id, vocab_size))
    }

    fn validate_stop(&self) -> Result<(), InvalidParam> {
        if self.stop.len() > MAX_STOP_STRINGS {
            let found = format!("a list of {}", self.stop.len());
            return Err(invalid("stop", format!("at most {MAX_STOP_STRINGS} texts"), found));
        }
        for stop in &self.stop {
            if stop.is_empty() || stop.len() > MAX_STOP_BYTES {
                let expected = format!("texts of 1 to {MAX_STOP_BYTES} bytes");
                return Err(invalid("stop", expected, format!("{} bytes long", stop.len())));
            }
        }
        Ok(())
    }
}

fn invalid(param: &'static str, expected: String, found: impl ToString) -> InvalidParam {
    InvalidParam { param, expected, found: found.to_string() }
}

fn within(param: &'static str, value: f32, low: f32, high: f32) -> Result<(), InvalidParam> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(invalid(param, format!("a number from {low} to {high}"), value))
}

fn positive_up_to(param: &'static str, value: f32, high: f32) -> Result<(), InvalidParam> {
    if value > 0.0 && value <= high {
        return Ok(());
    }
    Err(invalid(param, format!("a number above 0 and at most {high}"), value))
}

fn at_most(param: &'static str, value: usize, high: usize) -> Result<(), InvalidParam> {
    if value <= high {
        return Ok(());
    }
    Err(invalid(param, format!("a whole number from 0 to {high}"), value))
}

fn known_token(param: &'static str, id: u32, vocab_size: usize) -> Result<(), InvalidParam> {
    if (id as usize) < vocab_size {
        return Ok(());
    }
    Err(invalid(param, format!("token ids below the vocabulary size {vocab_size}"), id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut SamplingParams)) -> String {
        let mut params = SamplingParams::default();
        change(&mut params);
        params.validate(100).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_accepted() {
        SamplingParams::default().validate(100).unwrap();
    }

    #[test]
    fn each_bad_field_is_named_with_what_was_found() {
        let cases: [(&str, String); 12] = [
            ("`temperature`", refused(|p| p.temperature = -0.5)),
            ("`temperature`", refused(|p| p.temperature = f32::NAN)),
            ("`top_p`", refused(|p| p.top_p = 0.0)),
            ("`top_p`", refused(|p| p.top_p = 1.5)),
            ("`min_p`", refused(|p| p.min_p = 2.0)),
            ("`repetition_penalty`", refused(|p| p.repetition_penalty = 0.0)),
            ("`presence_penalty`", refused(|p| p.presence_penalty = 3.0)),
            ("`logprobs`", refused(|p| p.logprobs = Some(21))),
            ("`min_tokens`", refused(|p| p.min_tokens = 17)),
            ("`logit_bias`", refused(|p| p.logit_bias = vec![(100, 1.0)])),
            ("`stop_token_ids`", refused(|p| p.stop_token_ids = vec![100])),
            ("`stop`", refused(|p| p.stop = vec![String::new()])),
        ];
        for (name, message) in cases {
            assert!(message.starts_with(name), "{message}");
        }
        assert_eq!(refused(|p| p.min_p = 2.0), "`min_p` must be a number from 0 to 1, but is 2");
    }
}
