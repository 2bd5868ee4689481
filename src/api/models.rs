//! `GET /v1/models` and `GET /v1/models/{id}`: the base, and each adapter as a card whose `parent` is
//! the base. vLLM's shape, except that `root` is a name and no path of the server's disk. Two fields
//! more say what stands behind a name: `adapter_generation`, null for the base, is a digest of the
//! adapter; `base_generation`, on every card, is a fingerprint of the base's configuration, weights,
//! tokenizer and template. A client that holds on to both notices when either is another one.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::ApiError;
use super::ids::unix_seconds;
use super::resolver::Wearer;
use super::state::ApiState;
use crate::adapters::Generation;

/// All cards. New adapter folders are loaded first, so that the list is what can be asked for.
pub(crate) async fn list(state: Data<ApiState>) -> HttpResponse {
    state.resolver.discover_all().await;
    let adapters = state.resolver.loaded();
    let mut cards = vec![base_card(&state)];
    cards.extend(adapters.iter().map(|generation| adapter_card(&state, generation)));
    HttpResponse::Ok().json(json!({ "object": "list", "data": cards }))
}

/// One card.
pub(crate) async fn get(state: Data<ApiState>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let card = match state.resolver.resolve(&id).await? {
        Wearer::Base(_) => base_card(&state),
        Wearer::Adapter(generation) => adapter_card(&state, &generation),
    };
    Ok(HttpResponse::Ok().json(card))
}

fn base_card(state: &ApiState) -> Value {
    let name = state.resolver.base_name();
    json!({
        "id": name,
        "object": "model",
        "created": state.started,
        "owned_by": "wardrobe",
        "root": name,
        "parent": null,
        "max_model_len": state.engine.info().max_model_len,
        "adapter_generation": null,
        "base_generation": state.base_generation,
    })
}

fn adapter_card(state: &ApiState, generation: &Generation) -> Value {
    json!({
        "id": generation.name,
        "object": "model",
        "created": unix_seconds(generation.loaded_at),
        "owned_by": "wardrobe",
        "root": generation.name,
        "parent": state.resolver.base_name(),
        "max_model_len": state.engine.info().max_model_len,
        "adapter_generation": generation.id.to_string(),
        "base_generation": state.base_generation,
    })
}
