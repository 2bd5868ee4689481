//! `wardrobe serve`: load, bind, answer until a signal says stop.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::loading::{self, Loaded};
use super::model_args::{EngineArgs, ModelArgs};
use super::{config_file, log, size};
use crate::api::{ApiConfig, Server};

/// Arguments of `wardrobe serve`.
#[derive(Debug, Args)]
#[command(args_override_self = true, after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Read flags from a TOML file: the same words, underscores for dashes; the command line wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Ask every client for this key (`Authorization: Bearer KEY`) [env: WARDROBE_API_KEY]
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Longest request body
    #[arg(long, value_name = "BYTES", default_value = "16MiB", value_parser = size::positive)]
    max_body_size: usize,
    /// Seconds that running requests have to finish after SIGTERM or Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    shutdown_timeout: u64,
}

const EXAMPLES: &str = "\
Examples:
  wardrobe serve                                   the demo base and its adapters on 127.0.0.1:8080
  wardrobe serve --model Qwen/Qwen2.5-0.5B-Instruct --adapter-dir adapters
  wardrobe serve --model base.gguf --adapter sql=adapters/sql --port 0
  wardrobe serve --host 0.0.0.0 --api-key KEY --max-queue 64

HTTP clients may load adapters from below --adapter-dir only; requests beyond --max-queue are answered 429.";

/// Serves until told to stop.
pub(super) fn run(args: ServeArgs) -> Result<()> {
    log::init();
    let args = match &args.config {
        Some(path) => config_file::parsed(path, "wardrobe serve")?,
        None => args,
    };
    args.model.check()?;
    // The port first: a taken one should not cost the time to load.
    let server = Server::bind(&args.host, args.port)?;
    let Loaded { served, defaults } = loading::load(&args.model, &args.engine)?;
    if served.template.is_none() {
        tracing::warn!("the model has no chat template: /v1/chat/completions will refuse");
    }
    let config = ApiConfig {
        adapter_dir: args.model.adapter_dir,
        api_key: api_key(args.api_key),
        max_body_bytes: args.max_body_size,
        grace: Duration::from_secs(args.shutdown_timeout),
        defaults,
    };
    let address = server.address();
    if !address.ip().is_loopback() && config.api_key.is_none() {
        tracing::warn!("other machines can reach {address} and no --api-key is asked for");
    }
    server.run(served, config, stop_signal(), move || announce(&format!("http://{address}")))?;
    tracing::info!("stopped");
    Ok(())
}

/// The line that says that requests are taken.
#[expect(clippy::print_stderr, reason = "scripts wait for this line, without a log's time stamp")]
fn announce(url: &str) {
    eprintln!("listening on {url}");
}

fn api_key(flag: Option<String>) -> Option<String> {
    flag.or_else(|| std::env::var("WARDROBE_API_KEY").ok()).filter(|key| !key.is_empty())
}

/// Done at the first SIGTERM or SIGINT; at the second the program ends at once.
async fn stop_signal() {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("signals cannot be received; end the program with kill -9");
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    tracing::info!("stopping: running requests may finish; a second signal ends them");
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        std::process::exit(1);
    });
}
