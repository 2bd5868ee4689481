//! Wardrobe: one base model, many LoRA adapters to wear.

pub mod datasets;
pub mod model;
pub mod rewards;
pub mod train;
