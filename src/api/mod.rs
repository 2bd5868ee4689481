//! OpenAI's HTTP API over actix-web: the only place that knows HTTP.
//!
//! One resource a file, thin handlers: a request is read field by field (`fields`), the name in
//! `model` is resolved to the base or one adapter generation (`resolver`), the engine is handed one
//! sequence a choice (`generation`), and what it sends back is dressed in the endpoint's shape.
//! Every error is an [`ApiError`] and becomes OpenAI's envelope.
//!
//! Leaves out: scheduling, sampling and stop strings (the engine's), and the command line.

mod adapter_path;
mod auth;
mod chat;
mod completions;
mod error;
mod fields;
mod generation;
mod guard;
mod head;
mod health;
mod ids;
mod logprobs;
mod lora;
mod metrics;
mod models;
mod resolver;
mod routes;
mod sampling;
mod server;
mod sse;
mod state;
mod stream_options;
mod tokenize;
mod usage;

use std::time::Duration;

pub use error::ApiError;
pub use sampling::SamplingDefaults;
pub use server::{Server, ServerError};
pub use state::{ApiConfig, Served};

/// When to come back to a server that is stopping: its successor should be up by then.
const RETRY_AFTER: Duration = Duration::from_secs(5);

fn draining() -> ApiError {
    ApiError::Unavailable { message: "the server is stopping".into(), retry_after: RETRY_AFTER }
}
