//! Wardrobe: one base model, many LoRA adapters to wear.
//!
//! This library is the program's inside; `ARCHITECTURE.md` draws its layers and a test holds the
//! code to them.

pub mod adapters;
pub mod api;
pub mod cli;
pub mod datasets;
pub mod engine;
pub mod imatrix;
pub mod model;
pub mod proof;
pub mod train;

/// This program, as what it writes names it.
pub const TOOL: &str = concat!("wardrobe ", env!("CARGO_PKG_VERSION"));
