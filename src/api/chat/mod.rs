//! `POST /v1/chat/completions`.

mod messages;
mod request;
mod response;
mod stream;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde_json::Value;

use super::error::ApiError;
use super::generation::{self, Job, Prompt};
use super::sse;
use super::state::ApiState;
pub(crate) use messages::Conversation;
use request::ChatRequest;

/// Answers a conversation, whole or streamed.
pub(crate) async fn create(
    state: Data<ApiState>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let request = ChatRequest::read(body.into_inner(), &state)?;
    let wearer = state.resolver.resolve(&request.model).await?;
    let job = Job {
        prompts: vec![prompt(&state, &request).await?],
        n: request.n,
        budget: request.budget,
        params: request.sampling.clone(),
        wearer,
    };
    let answer = response::Answer::new(&state, &request, &job);
    let running = generation::submit(&state, &job)?;
    if request.stream.on {
        return Ok(sse::respond(running, stream::ChatFrames::new(answer, request.stream, job.n)));
    }
    let outputs = generation::collect_all(running).await?;
    Ok(HttpResponse::Ok().json(answer.whole(&outputs)))
}

/// Renders the conversation and cuts it into tokens.
async fn prompt(state: &ApiState, request: &ChatRequest) -> Result<Prompt, ApiError> {
    let text = request.conversation.render(state)?;
    let ids = state.encode(&text, request.add_special_tokens).await?;
    Ok(Prompt { text: Some(text), ids })
}
