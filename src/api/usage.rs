//! Token counts and the reasons for an end, as the wire says them.

use serde_json::{Value, json};

use crate::engine::{FinishReason, StopHit, Usage};

/// OpenAI's `usage` over all choices; the `n` choices of one prompt read it once.
pub(crate) fn total<'a>(usages: impl Iterator<Item = &'a Usage> + Clone, n: usize) -> Value {
    let n = n.max(1);
    let prompt: usize = usages.clone().map(|usage| usage.prompt_tokens).sum::<usize>() / n;
    let cached: usize = usages.clone().map(|usage| usage.cached_tokens).sum::<usize>() / n;
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
