//! The flags that lay adapters on a base, each with its weight: `merge` and `export` share them.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

/// Adapters and their weights.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct AdapterArgs {
    /// Lay this adapter on the base (again for more: their changes are added up)
    #[arg(long, value_name = "DIR")]
    pub(super) adapter: Vec<PathBuf>,
    /// How much of an adapter: one for each, in their order [default: 1]
    #[arg(long, value_name = "W", allow_negative_numbers = true, value_parser = weight)]
    weight: Vec<f64>,
}

impl AdapterArgs {
    /// One adapter at its own strength, or none.
    pub(super) fn whole(adapter: Option<PathBuf>) -> Self {
        Self { adapter: adapter.into_iter().collect(), weight: Vec::new() }
    }

    /// Every adapter with its weight.
    ///
    /// # Errors
    /// Weights for some of the adapters only, or for more than there are.
    pub(super) fn weighed(&self) -> Result<Vec<(PathBuf, f64)>> {
        let (adapters, weights) = (self.adapter.len(), self.weight.len());
        if weights > 0 && weights != adapters {
            bail!(
                "found {adapters} --adapter but {weights} --weight; give one --weight for each, or none"
            );
        }
        let weight = |at: usize| self.weight.get(at).copied().unwrap_or(1.0);
        Ok(self.adapter.iter().cloned().enumerate().map(|(at, path)| (path, weight(at))).collect())
    }
}

/// Weights are applied in single precision.
fn weight(text: &str) -> Result<f64, &'static str> {
    let expected = "expected a number such as 0.7 or -1";
    let weight: f64 = text.parse().map_err(|_| expected)?;
    let fits = (weight as f32).is_finite();
    if fits { Ok(weight) } else { Err(expected) }
}
