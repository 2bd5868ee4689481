//! A server of our own for the time of one evaluation, on a free port of this machine.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::sync::oneshot;

use crate::api::{ApiConfig, Server};
use crate::cli::loading::{self, Loaded};
use crate::cli::model_args::{EngineArgs, ModelArgs};

/// Longest request body: a prompt, and no more.
const MAX_BODY: usize = 16 << 20;

/// A server that answers until it is stopped.
pub(super) struct LocalServer {
    url: String,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl LocalServer {
    /// Loads and serves; returns when requests are taken.
    pub(super) fn start(model: &ModelArgs, engine: &EngineArgs) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = channel();
        let (model, engine) = (model.clone(), engine.clone());
        let thread = std::thread::spawn(move || serve(model, &engine, stopped, ready));
        match is_ready.recv() {
            Ok(url) => Ok(Self { url, stop, thread }),
            Err(_) => {
                joined(thread)?;
                Err(anyhow!("the server ended before it was ready"))
            }
        }
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it.
    pub(super) fn stop(self) -> Result<()> {
        // It may have ended by itself; then joining says why.
        let _ = self.stop.send(());
        joined(self.thread)
    }
}

fn joined(thread: JoinHandle<Result<()>>) -> Result<()> {
    let ended = thread.join().map_err(|_| anyhow!("the server's thread panicked"))?;
    ended.context("the server of --serve failed")
}

fn serve(
    model: ModelArgs,
    engine: &EngineArgs,
    stopped: oneshot::Receiver<()>,
    ready: Sender<String>,
) -> Result<()> {
    let server = Server::bind("127.0.0.1", 0)?;
    let Loaded { served, defaults } = loading::load(&model, engine)?;
    let config = ApiConfig {
        adapter_dir: model.adapter_dir,
        api_key: None,
        max_body_bytes: MAX_BODY,
        grace: Duration::from_secs(1),
        defaults,
    };
    let url = format!("http://{}", server.address());
    let stop = async move { drop(stopped.await) };
    server.run(served, config, stop, move || drop(ready.send(url)))?;
    Ok(())
}
