//! Token counts and the reasons for an end, as the wire says them.

use serde_json::{Value, json};

use crate::engine::{FinishReason, StopHit, Usage};

/// OpenAI's `usage` over all choices, in their order; the `n` choices of one prompt read it once, and
/// the first of them says what was cached before the request came.
pub(crate) fn total<'a>(usages: impl Iterator<Item = &'a Usage> + Clone, n: usize) -> Value {
    let first = usages.clone().step_by(n.max(1));
    let prompt: usize = first.clone().map(|usage| usage.prompt_tokens).sum();
    let cached: usize = first.map(|usage| usage.cached_tokens).sum();
    let completion: usize = usages.map(|usage| usage.completion_tokens).sum();
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": { "cached_tokens": cached },
    })
}

/// OpenAI's `finish_reason`.
pub(crate) fn reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::Aborted => "abort",
    }
}

/// vLLM's `stop_reason`: the stop string or the stop token that ended the answer, null for the
/// model's own end or a length.
pub(crate) fn stop(hit: Option<&StopHit>) -> Value {
    match hit {
        Some(StopHit::Text(text)) => text.as_str().into(),
        Some(StopHit::Token(id)) => (*id).into(),
        Some(StopHit::Eos(_)) | None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_counts_once_as_its_first_choice_found_it() {
        let usage = |prompt_tokens, cached_tokens| Usage {
            prompt_tokens,
            cached_tokens,
            completion_tokens: 1,
        };
        let usages = [usage(40, 0), usage(40, 32), usage(70, 64), usage(70, 64)];
        let expected = json!({
            "prompt_tokens": 110,
            "completion_tokens": 4,
            "total_tokens": 114,
            "prompt_tokens_details": { "cached_tokens": 64 },
        });
        assert_eq!(total(usages.iter(), 2), expected);
    }
}
