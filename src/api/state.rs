//! What every handler shares: the engine, the text side of the model, and who answers to a name.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use formats::digest::hexadecimal;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::adapter_path::AdapterFolder;
use super::error::ApiError;
use super::ids;
use super::resolver::Resolver;
use super::sampling::SamplingDefaults;
use crate::adapters::{AdapterError, GenerationId};
use crate::engine::{EngineError, EngineHandle, EngineThread};
use crate::model::{ChatTemplate, Tokenizer};

/// Bytes of text that are cut into tokens between two other requests without anybody noticing.
const LONG_TEXT: usize = 16 << 10;

/// Long texts that are cut up at the same time: the engine needs the cores too.
const LONG_TEXTS: usize = 2;

/// How the server behaves, apart from what it serves.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Adapters may be loaded over HTTP from below this folder only.
    pub adapter_dir: PathBuf,
    /// Needed on every request but `/health`, where there is one.
    pub api_key: Option<String>,
    /// Longest request body in bytes.
    pub max_body_bytes: usize,
    /// How long running requests may go on after the signal to stop.
    pub grace: Duration,
    /// Sampling for requests that do not say.
    pub defaults: SamplingDefaults,
}

/// The model that is served.
pub struct Served {
    /// Runs requests; its registry holds the adapters.
    pub engine: EngineHandle,
    /// The engine's thread, ended when the server ends.
    pub thread: EngineThread,
    /// Text to tokens and back.
    pub tokenizer: Arc<Tokenizer>,
    /// Conversations to text; a base model may have none.
    pub template: Option<ChatTemplate>,
}

/// The shared state.
pub(crate) struct ApiState {
    pub(crate) engine: EngineHandle,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) template: Option<ChatTemplate>,
    pub(crate) resolver: Resolver,
    pub(crate) config: ApiConfig,
    /// OpenAI's `system_fingerprint`: changes with the program and the model.
    pub(crate) fingerprint: String,
    /// The base's fingerprint, as the generation of an adapter is shown.
    pub(crate) base_generation: String,
    /// When the server started, in seconds since 1970.
    pub(crate) started: u64,
    thread: Mutex<Option<EngineThread>>,
    draining: AtomicBool,
    /// Turns of long texts.
    long_texts: Arc<Semaphore>,
}

impl ApiState {
    /// The state over a running engine.
    ///
    /// # Errors
    /// When the base's files cannot be read any more.
    pub(crate) fn new(served: Served, config: ApiConfig) -> Result<Self, AdapterError> {
        let Served { engine, thread, tokenizer, template } = served;
        let name = engine.info().model_name.clone();
        let folder = AdapterFolder::new(config.adapter_dir.clone());
        let base_generation = GenerationId::of_base(engine.registry().base())?.to_string();
        Ok(Self {
            resolver: Resolver::new(engine.registry().clone(), name, folder),
            fingerprint: fingerprint(&engine, &base_generation),
            base_generation,
            started: ids::unix_time(),
            thread: Mutex::new(Some(thread)),
            draining: AtomicBool::new(false),
            long_texts: Arc::new(Semaphore::new(LONG_TEXTS)),
            engine,
            tokenizer,
            template,
            config,
        })
    }

    /// From now on new requests are answered 503.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether the engine's thread is alive.
    pub(crate) fn is_alive(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Stops the engine, aborting what still runs, and waits for its thread.
    ///
    /// # Errors
    /// When the thread panicked.
    pub(crate) fn end_engine(&self) -> Result<(), EngineError> {
        self.engine.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.map_or(Ok(()), EngineThread::join)
    }

    /// The tokens of a text; a long one is cut up on a thread that may take its time, when it is its
    /// turn.
    ///
    /// # Errors
    /// 400 where the text is longer than the context for sure, or the tokenizer's rules fail.
    pub(crate) async fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, ApiError> {
        let (limit, fewest) =
            (self.engine.info().max_model_len, self.tokenizer.fewest_tokens(text));
        if fewest > limit {
            return Err(ApiError::text_too_long(limit, text.len(), fewest));
        }
        let ids = if text.len() <= LONG_TEXT {
            self.tokenizer.encode(text, add_special)
        } else {
            let turns = Arc::clone(&self.long_texts);
            let turn = turns.acquire_owned().await.map_err(|_| super::draining())?;
            let (tokenizer, text) = (Arc::clone(&self.tokenizer), text.to_owned());
            let encode = move || {
                // Held until the work is done, whether or not anybody still waits for it.
                let _turn = turn;
                tokenizer.encode(&text, add_special)
            };
            actix_web::web::block(encode).await.map_err(|_| super::draining())?
        };
        ids.map_err(|error| ApiError::field("prompt", error.to_string()))
    }

    /// The text of tokens, special ones included.
    ///
    /// # Errors
    /// 400 where the tokenizer's rules fail.
    pub(crate) fn decode(&self, ids: &[u32]) -> Result<String, ApiError> {
        self.tokenizer
            .decode(ids, false)
            .map_err(|error| ApiError::field("prompt", error.to_string()))
    }
}

fn fingerprint(engine: &EngineHandle, base: &str) -> String {
    let info = engine.info();
    let mut hash = Sha256::new();
    for part in [
        env!("CARGO_PKG_VERSION"),
        &info.model_name,
        base,
        &format!("{:?}", engine.registry().base().config),
    ] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    format!("fp_{}", hexadecimal(&hash.finalize()[..5]))
}
