//! The adapters' life over HTTP: vLLM's `POST /v1/load_lora_adapter` and
//! `POST /v1/unload_lora_adapter`, and `GET /v1/lora_adapters` with what was found at loading.
//!
//! Fields that are not known are let pass here alone: reconcilers send their own (`base_model_name`).

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde_json::{Value, json};

use super::error::ApiError;
use super::fields::Fields;
use super::ids::unix_seconds;
use super::state::ApiState;
use crate::adapters::{Generation, LoadPolicy};

/// Loads `lora_path` under `lora_name`; with `load_inplace` in the place of what has the name. Running
/// requests keep the generation they began with.
pub(crate) async fn load(
    state: Data<ApiState>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let mut fields = Fields::new(body.into_inner())?;
    let name = text(&mut fields, "lora_name")?;
    let path = state.resolver.admit(&text(&mut fields, "lora_path")?)?;
    let policy = match fields.boolean("load_inplace")?.unwrap_or(false) {
        true => LoadPolicy::Replace,
        false => LoadPolicy::Create,
    };
    let generation = state.resolver.load(&name, path, policy).await?;
    let warnings = generation.report.warnings.iter().map(|warning| format!(" Warning: {warning}."));
    let warnings: String = warnings.collect();
    let body = format!("Success: LoRA adapter '{name}' added successfully.{warnings}");
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("x-adapter-generation", generation.id.to_string()))
        .body(body))
}

/// Takes a name away.
pub(crate) async fn unload(
    state: Data<ApiState>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let mut fields = Fields::new(body.into_inner())?;
    let name = text(&mut fields, "lora_name")?;
    state.resolver.unload(&name).await?;
    let body = format!("Success: LoRA adapter '{name}' removed successfully.");
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(body))
}

/// What is loaded, with its report.
pub(crate) async fn list(state: Data<ApiState>) -> HttpResponse {
    let adapters: Vec<Value> =
        state.resolver.loaded().iter().map(|generation| describe(&state, generation)).collect();
    HttpResponse::Ok().json(json!({ "object": "list", "data": adapters }))
}

fn text(fields: &mut Fields, name: &str) -> Result<String, ApiError> {
    let text = fields.text(name)?;
    if text.is_empty() {
        let message = format!("`{name}` must be a non-empty string, found \"\"");
        return Err(ApiError::field(name, message));
    }
    Ok(text)
}

fn describe(state: &ApiState, generation: &Generation) -> Value {
    json!({
        "lora_name": generation.name,
        "generation": generation.id.to_string(),
        "content_sha256": generation.id.to_hex(),
        "base": state.resolver.base_name(),
        "loaded_at": unix_seconds(generation.loaded_at),
        "bytes": generation.weights.bytes(),
        "report": serde_json::to_value(&*generation.report).unwrap_or_default(),
    })
}
