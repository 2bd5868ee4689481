//! From one row of logits to one token: bias, penalties, temperature, truncation, draw.
//!
//! The order is vLLM's: logit bias and `min_tokens`, penalties, temperature, `min_p`, `top_k`,
//! `top_p`. A row is sampled by itself, so its token depends on its logits, its sequence and its
//! seed only. What probability the model itself gave a token is [`super::logprobs`]'s.

use super::rng;
use super::sampling_params::SamplingParams;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use thiserror::Error;

/// Below this temperature the most probable token is taken (vLLM's `_SAMPLING_EPS`).
const GREEDY_BELOW: f32 = 1e-5;

/// What decides a row's token beside its logits.
#[derive(Clone, Copy, Debug)]
pub struct SampleInput<'a> {
    /// How to choose.
    pub params: &'a SamplingParams,
    /// With the position, which is the length of prompt and output, it decides the draw.
    pub seed: u64,
    /// The tokens the client sent.
    pub prompt: &'a [u32],
    /// The tokens generated so far.
    pub output: &'a [u32],
    /// Tokens that may not be chosen now: those that would end the answer before `min_tokens`.
    pub banned: &'a [u32],
}

/// A row from which no token can be chosen.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SampleError {
    /// NaN or infinity among the logits.
    #[error("the model's logits are not finite, so no token can be chosen")]
    NotFinite,
    /// Nothing is left to choose from.
    #[error("`logit_bias` and `min_tokens` together forbid every token")]
    NothingAllowed,
}

/// Chooses a token from `logits` `[vocabulary]`, which are overwritten.
///
/// # Errors
/// When a logit is NaN or positive infinity, or every token is forbidden.
pub fn sample(logits: &mut [f32], input: &SampleInput<'_>) -> Result<u32, SampleError> {
    if logits.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        return Err(SampleError::NotFinite);
    }
    apply_bias(logits, input);
    apply_penalties(logits, input.params, input.prompt, input.output);
    let (argmax, max) = argmax(logits).ok_or(SampleError::NothingAllowed)?;
    if input.params.temperature < GREEDY_BELOW {
        return Ok(argmax);
    }
    let inverse_temperature = 1.0 / input.params.temperature;
    logits.iter_mut().for_each(|logit| *logit = (*logit - max) * inverse_temperature);
    let position = input.prompt.len() + input.output.len();
    let uniform = rng::uniform(input.seed, position as u64);
    if is_truncated(input.params) {
        Ok(draw(&candidates(logits, input.params), uniform).unwrap_or(argmax))
    } else {
        Ok(draw_from_all(logits, uniform).unwrap_or(argmax))
    }
}

fn apply_bias(logits: &mut [f32], input: &SampleInput<'_>) {
    for &(id, bias) in &input.params.logit_bias {
        if let Some(logit) = logits.get_mut(id as usize) {
            *logit += bias;
        }
    }
    for &id in input.banned {
        if let Some(logit) = logits.get_mut(id as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// Repetition penalty over prompt and output (Keskar et al. 2019, as in transformers'
/// `RepetitionPenaltyLogitsProcessor`), then frequency and presence penalties over the output
/// (OpenAI's formula): `l - count · frequency_penalty - [count > 0] · presence_penalty`.
pub fn apply_penalties(
    logits: &mut [f32],
    params: &SamplingParams,
    prompt: &[u32],
    output: &[u32],
) {
    if params.repetition_penalty != 1.0 {
        let seen: HashSet<u32> = prompt.iter().chain(output).copied().collect();
        for id in seen {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            let penalty = params.repetition_penalty;
            *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
        }
    }
    if params.frequency_penalty != 0.0 || params.presence_penalty != 0.0 {
        let mut counts: HashMap<u32, f32> = HashMap::new();
        output.iter().for_each(|&id| *counts.entry(id).or_default() += 1.0);
        for (id, count) in counts {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            *logit -= count * params.frequency_penalty + params.presence_penalty;
        }
    }
}

/// The most probable token, the lowest id among equals; `None` if all are forbidden.
fn argmax(logits: &[f32]) -> Option<(u32, f32)> {
    let mut best = None;
    let mut max = f32::NEG_INFINITY;
    for (id, &logit) in (0..).zip(logits) {
        if logit > max {
            (best, max) = (Some(id), logit);
        }
    }
    best.map(|id| (id, max))
}

fn is_truncated(params: &SamplingParams) -> bool {
    params.top_k > 0 || params.top_p < 1.0 || params.min_p > 0.0
}

/// A token that may be drawn: its id and its logit relative to the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    id: u32,
    logit: f32,
}

impl Candidate {
    fn weight(&self) -> f64 {
        f64::from(self.logit.exp())
    }

    fn most_probable_first(&self, other: &Self) -> Ordering {
        other.logit.total_cmp(&self.logit).then(self.id.cmp(&other.id))
    }
}

/// What `min_p`, `top_k` and `top_p` leave, in ascending order of id. `logits` are relative to
/// the greatest, which is 0.
fn candidates(logits: &[f32], params: &SamplingParams) -> Vec<Candidate> {
    let threshold = if params.min_p > 0.0 { params.min_p.ln() } else { f32::MIN };
    let mut kept: Vec<Candidate> = (0..)
        .zip(logits)
        .filter(|(_, logit)| **logit >= threshold)
        .map(|(id, &logit)| Candidate { id, logit })
        .collect();
    if params.top_k > 0 && params.top_k < kept.len() {
        kept.select_nth_unstable_by(params.top_k - 1, Candidate::most_probable_first);
        kept.truncate(params.top_k);
    }
    if params.top_p < 1.0 {
        keep_nucleus(&mut kept, f64::from(params.top_p));
    }
    kept.sort_unstable_by_key(|candidate| candidate.id);
    kept
}

/// Keeps the shortest list of most probable candidates whose share of the probability reaches
/// `top_p` (Holtzman et al. 2020). Sorts only as many as that needs, by growing selections.
fn keep_nucleus(kept: &mut Vec<Candidate>, top_p: f64) {
    let wanted = top_p * kept.iter().map(Candidate::weight).sum::<f64>();
    let mut num_sorted = 64;
    while num_sorted < kept.len() {
        kept.select_nth_unstable_by(num_sorted - 1, Candidate::most_probable_first);
        if kept[..num_sorted].iter().map(Candidate::weight).sum::<f64>() >= wanted {
            kept.truncate(num_sorted);
        }
        num_sorted *= 8;
    }
    kept.sort_unstable_by(Candidate::most_probable_first);
    let mut sum = 0.0;
    let reached = kept.iter().position(|candidate| {
        sum += candidate.weight();
        sum >= wanted
    });
    kept.truncate(reached.map_or(kept.len(), |last| last + 1));
}

/// The candidate under `uniform` when their weights are laid end to end.
fn draw(candidates: &[Candidate], uniform: f64) -> Option<u32> {
    let target = uniform * candidates.iter().map(Candidate::weight).sum::<f64>();
    let mut sum = 0.0;
    let hit = candidates.iter().find(|candidate| {
        sum += candidate.weight();
        sum > target
    });
    hit.or(candidates.last()).map(|candidate| candidate.id)
}

/// [`draw`] over the whole vocabulary, with each weight computed once.
fn draw_from_all(logits: &mut [f32], uniform: f64) -> Option<u32> {
    logits.iter_mut().for_each(|logit| *logit = logit.exp());
    let target = uniform * logits.iter().map(|&weight| f64::from(weight)).sum::<f64>();
    let mut sum = 0.0;
    let mut last = None;
    for (id, &weight) in (0..).zip(&*logits) {
        sum += f64::from(weight);
        if weight > 0.0 {
            last = Some(id);
        }
        if sum > target {
            return Some(id);
        }
    }
    last
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
