//! Training: recipes as straight lines over small parts.

pub mod adamw;
pub mod batch;
pub mod clip;
pub mod metrics;
pub mod random;
pub mod schedule;
