//! Binds, serves, and stops: at a signal no new connection is taken, what runs may finish within the
//! grace period, and then the program goes on to its end.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};

use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use super::guard::guard;
use super::routes;
use super::state::{ApiConfig, ApiState, Served};
use crate::adapters::AdapterError;
use crate::engine::EngineError;

/// Threads that speak HTTP. The work is the engine's; these read JSON and cut text into tokens.
const HTTP_THREADS: usize = 2;

/// What can keep a server from serving.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken or not ours.
    #[error("cannot listen on {host}:{port}: {reason}; choose another --host or --port")]
    Bind {
        /// Host, as given.
        host: String,
        /// Port, as given.
        port: u16,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// The runtime failed.
    #[error("the server failed")]
    Run(#[from] std::io::Error),
    /// The base's files are gone or cannot be read.
    #[error(transparent)]
    Base(#[from] AdapterError),
    /// The engine's thread died.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A server that is bound and not yet serving.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Binds; port 0 picks a free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(host: &str, port: u16) -> Result<Self, ServerError> {
        let failed = |reason| ServerError::Bind { host: host.to_owned(), port, reason };
        let listener = TcpListener::bind((host, port)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then drains. `ready` is called once connections are taken.
    ///
    /// # Errors
    /// When the base's files cannot be read any more, the runtime fails, or the engine did.
    pub fn run(
        self,
        served: Served,
        config: ApiConfig,
        stop: impl Future<Output = ()> + 'static,
        ready: impl FnOnce() + 'static,
    ) -> Result<(), ServerError> {
        let grace = config.grace;
        let state = Data::new(ApiState::new(served, config)?);
        actix_web::rt::System::new().block_on(async move {
            let shared = Data::clone(&state);
            let limit = state.config.max_body_bytes;
            let app = move || {
                App::new()
                    .app_data(Data::clone(&shared))
                    .app_data(routes::json(limit))
                    .wrap(from_fn(guard))
                    .configure(routes::routes)
            };
            let server = HttpServer::new(app)
                .workers(HTTP_THREADS)
                .disable_signals()
                .shutdown_timeout(grace.as_secs())
                // A client that closed its side is gone: its handler is dropped, its sequence freed.
                .h1_allow_half_closed(false)
                .listen(self.listener)?
                .run();
            let handle = server.handle();
            let running = actix_web::rt::spawn(server);
            ready();
            stop.await;
            state.drain();
            handle.stop(true).await;
            running.await.unwrap_or(Ok(()))?;
            state.end_engine()?;
            Ok(())
        })
    }
}
