//! What every request passes through: its id, the key, the stop sign, and a line in the log.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError};

use super::state::ApiState;
use super::{auth, ids};

/// OpenAI's name; the SDKs show it as `_request_id`.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids are not echoed.
const MAX_ID: usize = 128;

/// Runs one request.
pub(crate) async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let (started, id) = (Instant::now(), request_id(request.headers()));
    let line = format!("{} {}", request.method(), request.path());
    let mut response = match admitted(&request) {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(error) => request.into_response(error.error_response()).map_into_right_body(),
    };
    let (status, ms) = (response.status(), started.elapsed().as_millis());
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!("{line}: {status} after {ms} ms, request {id:?}");
    } else {
        tracing::debug!("{line}: {status} after {ms} ms, request {id:?}");
    }
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

fn admitted(request: &ServiceRequest) -> Result<(), super::ApiError> {
    let Some(state) = request.app_data::<Data<ApiState>>() else { return Ok(()) };
    auth::check(request, state.config.api_key.as_deref())?;
    if state.is_draining() && request.method() == actix_web::http::Method::POST {
        return Err(super::draining());
    }
    Ok(())
}

/// The client's id, if it sent a sensible one, else a fresh one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|id| !id.is_empty() && id.len() <= MAX_ID);
    given.cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&format!("req_{}", ids::fresh()))
            .unwrap_or_else(|_| HeaderValue::from_static("req"))
    })
}
