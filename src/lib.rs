//! Wardrobe: one base model, many LoRA adapters to wear.

pub mod train;
