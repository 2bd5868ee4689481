//! `POST /tokenize` and `POST /detokenize`, in vLLM's shapes.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde_json::{Value, json};

use super::chat::Conversation;
use super::error::ApiError;
use super::fields::Fields;
use super::sampling::token_ids;
use super::state::ApiState;

/// A text's or a conversation's tokens.
pub(crate) async fn tokenize(
    state: Data<ApiState>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let mut fields = Fields::new(body.into_inner())?;
    let names_model = model(&mut fields)?;
    let special = fields.boolean("add_special_tokens")?;
    let strings = fields.boolean("return_token_strs")?.unwrap_or(false);
    if !fields.has("prompt") && !fields.has("messages") {
        return Err(ApiError::field(
            "prompt",
            "one of the fields `prompt` and `messages` is required",
        ));
    }
    if fields.has("prompt") && fields.has("messages") {
        let message = "`prompt` and `messages` are both given; send one of the two";
        return Err(ApiError::field("messages", message));
    }
    let (text, special) = match fields.string("prompt")? {
        Some(text) => (text, special.unwrap_or(true)),
        None => (Conversation::read(&mut fields)?.render(&state)?, special.unwrap_or(false)),
    };
    fields.finish()?;
    known(&state, names_model).await?;
    let tokens = state.encode(&text, special).await?;
    let token_strs = strings.then(|| token_strings(&state, &tokens));
    Ok(HttpResponse::Ok().json(json!({
        "count": tokens.len(),
        "max_model_len": state.engine.info().max_model_len,
        "tokens": tokens,
        "token_strs": token_strs,
    })))
}

/// The text of tokens.
pub(crate) async fn detokenize(
    state: Data<ApiState>,
    body: Json<Value>,
) -> Result<HttpResponse, ApiError> {
    let mut fields = Fields::new(body.into_inner())?;
    let names_model = model(&mut fields)?;
    let tokens = token_ids(&mut fields, "tokens")?
        .ok_or_else(|| ApiError::field("tokens", "the field `tokens` is required"))?;
    fields.finish()?;
    known(&state, names_model).await?;
    let vocab_size = state.engine.info().vocab_size;
    if let Some(id) = tokens.iter().find(|&&id| id as usize >= vocab_size) {
        let message = format!("`tokens` must hold ids below {vocab_size}, found {id}");
        return Err(ApiError::field("tokens", message));
    }
    Ok(HttpResponse::Ok().json(json!({ "prompt": state.decode(&tokens)? })))
}

/// The vocabulary is the base's, so `model` may be left out; if it is there it must be served.
fn model(fields: &mut Fields) -> Result<Option<String>, ApiError> {
    fields.string("model")
}

async fn known(state: &ApiState, model: Option<String>) -> Result<(), ApiError> {
    match model {
        Some(name) => state.resolver.resolve(&name).await.map(|_| ()),
        None => Ok(()),
    }
}

/// As the vocabulary spells them.
fn token_strings(state: &ApiState, tokens: &[u32]) -> Vec<String> {
    tokens.iter().map(|&id| state.tokenizer.id_to_token(id).unwrap_or_default()).collect()
}
