//! The engine from outside: policy under random operations, whole requests on a mock model, and
//! the promises that hold on a real one.

mod block_manager;
mod driver;
mod handle;
mod hot_swap;
mod invariance;
mod mock;
mod requests;
mod scheduler;
pub(crate) mod support;
pub(crate) mod world;
