//! The HTTP layer over a tiny model, spoken to in bytes over a socket, as a client does.

mod adapters;
mod answers;
mod errors;
mod http;
mod life;
mod server;
