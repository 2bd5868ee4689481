//! `GET /health` (open to all, for probes) and `GET /version`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::error::ApiError;
use super::state::ApiState;

/// 200 while requests are taken, 503 once the server is stopping or the engine is dead.
pub(crate) async fn health(state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    if state.is_draining() {
        return Err(super::draining());
    }
    if !state.is_alive() {
        return Err(ApiError::Unavailable {
            message: "the engine has stopped; see the server's log".into(),
            retry_after: super::RETRY_AFTER,
        });
    }
    Ok(HttpResponse::Ok().json(json!({ "status": "ok" })))
}

/// The program's version.
pub(crate) async fn version() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}
