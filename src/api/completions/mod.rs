//! `POST /v1/completions`: text or token ids in, text out; with `echo`, `logprobs` and `max_tokens` 0
//! it scores a text without generating, which is how lm-evaluation-harness measures likelihoods.

mod prompt;
mod request;
mod response;
mod stream;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde_json::Value;

use super::error::ApiError;
use super::generation::{self, Job};
use super::sse;
use super::state::ApiState;
use request::CompletionRequest;

/// Completes every prompt, whole or streamed.
pub(crate) async fn create(
    state: Data<ApiState>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let request = CompletionRequest::read(body.into_inner(), &state)?;
    let wearer = state.resolver.resolve(&request.model).await?;
    let job = Job {
        prompts: prompt::encode(&state, &request).await?,
        n: request.n,
        budget: request.budget,
        params: request.sampling.clone(),
        wearer,
    };
    let answer = response::Answer::new(&state, &request, &job)?;
    let running = generation::submit(&state, &job)?;
    if request.stream.on {
        let frames = stream::CompletionFrames::new(answer, request.stream);
        return Ok(sse::respond(running, frames));
    }
    let outputs = generation::collect_all(running).await?;
    Ok(HttpResponse::Ok().json(answer.whole(&outputs)))
}
