//! A client of any OpenAI-compatible server: requests from many threads, as many at a time as the
//! server takes, tried again where that may help. Leaves out what is asked (`question`) and of whom
//! (`arms`).

mod answer;
mod gate;
mod http;
mod manner;
mod models;
mod retry;
mod score;

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub(crate) use answer::{Answer, Draw};
pub(crate) use http::{Missing, without_credentials};
pub use http::{is_on_this_machine, same_origin};
pub(crate) use models::Card;
pub(crate) use score::Scored;

use crate::{Error, Stop};
use gate::Gate;
use http::Http;
pub(crate) use manner::Manner;

/// Where the server is and how patiently it is asked.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Its address, with or without `/v1`.
    pub url: String,
    /// The key to send, if any.
    pub key: Option<String>,
    /// Where the user sets it, for a sentence about a key that the server does not take.
    pub key_from: String,
    /// Most requests under way at a time.
    pub concurrency: usize,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Tries of one request that the server or the network failed.
    pub tries: u32,
    /// Longest time that one request waits for a busy server, all its waits together.
    pub patience: Duration,
}

impl ServerConfig {
    /// The server at `url`, asked with the usual patience: 128 requests, 10 minutes for an answer, 6
    /// tries, 30 minutes for a busy server.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            key: None,
            key_from: "its settings".to_owned(),
            concurrency: 128,
            timeout: Duration::from_secs(600),
            tries: 6,
            patience: Duration::from_secs(1800),
        }
    }
}

/// How often a waiting thread looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(100);
/// Why there is no answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Trouble {
    /// This one request failed, after every retry.
    Request(String),
    /// The server does not have what it was asked for: no request can succeed.
    Missing(Missing),
    /// No request can succeed.
    Run(String),
    /// The run was interrupted.
    Interrupted,
}

/// A client of one server, shared by threads.
pub(crate) struct Client {
    http: Http,
    gate: Gate,
    tries: u32,
    patience: Duration,
    stop: Stop,
    /// How the server wants to be asked, as far as is known.
    manner: Mutex<Manner>,
    /// Set once the server has said that it generates a token at least.
    wants_a_token: AtomicBool,
}

impl Client {
    /// A client that has sent nothing yet.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn new(config: &ServerConfig, stop: &Stop) -> Result<Self, Error> {
        Ok(Self {
            http: Http::new(config, stop)?,
            gate: Gate::new(config.concurrency),
            tries: config.tries.max(1),
            patience: config.patience,
            stop: stop.clone(),
            manner: Mutex::default(),
            wants_a_token: AtomicBool::new(false),
        })
    }

    /// Most requests under way at a time.
    pub(crate) fn at_a_time(&self) -> usize {
        self.gate.cap()
    }

    /// How the server wants to be asked, as far as is known.
    pub(crate) fn manner(&self) -> Manner {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how the server wants to be asked.
    pub(crate) fn learn(&self, manner: Manner) {
        let mut known = self.manner.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.and(manner);
    }
}
