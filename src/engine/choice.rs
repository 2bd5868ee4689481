//! What one wanted row of logits becomes: a score of the token that follows it, or a new token.

use super::logprobs::{TokenLogprob, token_logprob};
use super::sampler::{SampleError, SampleInput, sample};
use super::sequence::Sequence;

/// The outcome of one row.
#[derive(Debug)]
pub(super) enum Choice {
    /// The prompt's next token is known; this is how probable it was.
    Scored(TokenLogprob),
    /// The sequence grows by this token.
    Sampled {
        id: u32,
        /// How probable the model itself found it, if the client asked.
        logprob: Option<TokenLogprob>,
    },
    /// No token can be chosen.
    Failed(SampleError),
}

/// Turns the logits at `position` of a sequence into its outcome. Overwrites the logits.
pub(super) fn choose(
    logits: &mut [f32],
    sequence: &Sequence,
    position: usize,
    eos_token_ids: &[u32],
) -> Choice {
    let params = &sequence.params;
    if let Some(&target) = sequence.tokens.get(position + 1) {
        let logprob = token_logprob(logits, target, params.prompt_logprobs.unwrap_or(0));
        return if logprob.logprob.is_nan() {
            Choice::Failed(SampleError::NotFinite)
        } else {
            Choice::Scored(logprob)
        };
    }
    let banned = banned_tokens(sequence, eos_token_ids);
    let input = SampleInput {
        params,
        seed: sequence.seed,
        prompt: sequence.prompt(),
        output: sequence.output(),
        banned: &banned,
    };
    let raw = params.logprobs.map(|num_top| (logits.to_vec(), num_top));
    match sample(logits, &input) {
        Ok(id) => {
            let logprob = raw.map(|(logits, num_top)| token_logprob(&logits, id, num_top));
            Choice::Sampled { id, logprob }
        }
        Err(error) => Choice::Failed(error),
    }
}

/// Tokens that would end the answer before `min_tokens`.
fn banned_tokens(sequence: &Sequence, eos_token_ids: &[u32]) -> Vec<u32> {
    let params = &sequence.params;
    if sequence.output().len() >= params.min_tokens {
        return Vec::new();
    }
    let eos = if params.ignore_eos { &[] } else { eos_token_ids };
    eos.iter().chain(&params.stop_token_ids).copied().collect()
}
