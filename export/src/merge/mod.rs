//! Adapters merged into their base: [`Merged`] is a source of weights like any other.
//!
//! What is left out: running the result, and which package it becomes.

mod adapter;
mod arithmetic;
mod base;
mod change;
mod combine;
mod low_rank;
mod merged;
mod random;
mod svd;
mod truncate;

pub use arithmetic::{Arithmetic, MajoritySign, Prune};
pub use combine::Combination;
pub use merged::Merged;
