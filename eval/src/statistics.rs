//! Rates and their uncertainty, over plain slices: pass@k, intervals, paired differences, tests, win
//! rates with the length of answers taken out.
//!
//! The unit is the problem: samples of one problem are no independent evidence, so every estimate is
//! a mean of one number a problem, and problems are what is drawn again (Miller 2024, *Adding Error
//! Bars to Evals*). Every draw is seeded, and the same whatever the number of threads. What is left
//! out: where the numbers come from and how they are shown.

mod bootstrap;
mod distributions;
mod effect;
mod half;
mod holm;
mod length_controlled;
mod logistic;
mod mcnemar;
mod paired;
mod pass_at_k;
mod sign_flip;
mod wilson;

pub use bootstrap::{Draws, bootstrap_mean};
pub use distributions::{normal_cdf, normal_quantile, student_quantile};
pub use effect::minimum_detectable_effect;
pub use half::{AgainstHalf, against_half, preference_rate};
pub use holm::holm;
pub use length_controlled::{Comparison, LengthControlled, length_controlled};
pub use mcnemar::{McNemar, mcnemar};
pub use paired::{Paired, paired};
pub use pass_at_k::pass_at_k;
pub use sign_flip::sign_flip;
pub use wilson::{wilson, wilson_of_parts};

use serde::{Deserialize, Serialize};

/// The confidence of every interval.
pub const LEVEL: f64 = 0.95;

/// Where the truth lies, with [`LEVEL`] confidence, and how that was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How it was found.
    pub method: Method,
}

/// How an interval was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Wilson's score interval: every problem is a plain success or failure, a tie half a success.
    Wilson,
    /// Problems drawn again, bias-corrected and accelerated, widened for few problems.
    Bootstrap,
}

/// The mean of one number a problem, with its interval: Wilson's where every number is 0 or 1 (`rates`
/// says that they are shares of success), the bootstrap otherwise. No interval where fewer than two
/// problems or no spread leave nothing to tell it from.
pub fn mean(values: &[f64], rates: bool, draws: Draws) -> (Option<f64>, Option<Interval>) {
    if values.is_empty() {
        return (None, None);
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let plain = rates && values.iter().all(|&value| value == 0.0 || value == 1.0);
    let interval = if plain {
        let successes = values.iter().filter(|&&value| value == 1.0).count();
        Some(wilson(successes, values.len()))
    } else {
        bootstrap_mean(values, draws)
    };
    (Some(mean), interval)
}
