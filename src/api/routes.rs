//! The route table.

use actix_web::http::Method;
use actix_web::web::{self, JsonConfig, ServiceConfig};
use actix_web::{HttpRequest, error::JsonPayloadError};

use super::error::ApiError;
use super::{chat, completions, health, lora, metrics, models, tokenize};

/// Every path and who answers it.
pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(post("/v1/chat/completions").route(web::post().to(chat::create)))
        .service(post("/v1/completions").route(web::post().to(completions::create)))
        .service(post("/v1/load_lora_adapter").route(web::post().to(lora::load)))
        .service(post("/v1/unload_lora_adapter").route(web::post().to(lora::unload)))
        .service(post("/tokenize").route(web::post().to(tokenize::tokenize)))
        .service(post("/detokenize").route(web::post().to(tokenize::detokenize)))
        .service(get("/v1/lora_adapters").route(web::get().to(lora::list)))
        .service(get("/v1/models").route(web::get().to(models::list)))
        .service(get("/v1/models/{id:.+}").route(web::get().to(models::get)))
        .service(get("/metrics").route(web::get().to(metrics::metrics)))
        .service(get("/version").route(web::get().to(health::version)))
        .service(
            get("/health")
                .route(web::get().to(health::health))
                .route(web::head().to(health::health)),
        )
        .default_service(web::to(not_found));
}

fn post(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(|r: HttpRequest| wrong_method(r, Method::POST)))
}

fn get(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(|r: HttpRequest| wrong_method(r, Method::GET)))
}

async fn wrong_method(request: HttpRequest, right: Method) -> Result<&'static str, ApiError> {
    let (method, path) = (request.method(), request.path());
    Err(ApiError::MethodNotAllowed(format!("{path} takes {right}, not {method}")))
}

async fn not_found(request: HttpRequest) -> Result<&'static str, ApiError> {
    let (method, path) = (request.method(), request.path());
    Err(ApiError::NotFound(format!("there is nothing at {method} {path}")))
}

/// JSON bodies up to `limit` bytes; what is wrong with one is said in the envelope.
pub(crate) fn json(limit: usize) -> JsonConfig {
    JsonConfig::default()
        .limit(limit)
        .error_handler(move |error, _| body_error(&error, limit).into())
}

fn body_error(error: &JsonPayloadError, limit: usize) -> ApiError {
    match error {
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            ApiError::TooLarge(format!("the request body is longer than {limit} bytes"))
        }
        JsonPayloadError::ContentType => ApiError::NotJson(
            "the body must be sent with the header `content-type: application/json`".into(),
        ),
        JsonPayloadError::Deserialize(error) => {
            ApiError::invalid(format!("the request body is not JSON: {error}"))
        }
        other => ApiError::invalid(format!("the request body could not be read: {other}")),
    }
}
