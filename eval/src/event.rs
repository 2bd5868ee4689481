//! What a run tells of itself while it goes on, and how it ended.

use crate::{Arm, Measure, Usage};

/// What happens in a run, as it happens.
#[derive(Debug)]
pub enum Event<'e> {
    /// It begins: of `total` samples, `done` are there already; of each arm, how many, and the sum of
    /// their headline measure.
    Started {
        /// Samples there already.
        done: usize,
        /// Samples in all.
        total: usize,
        /// The arms.
        arms: &'e [Arm],
        /// What is told of them while it goes on.
        headline: &'e Measure,
        /// Per arm what is there already.
        tallies: &'e [(usize, f64)],
    },
    /// A sample was graded (with its headline measure, where it has one) or failed.
    Sample {
        /// The arm's place.
        arm: usize,
        /// The headline measure; `None` for a failed sample, and for a reference arm that is only
        /// compared with.
        headline: Option<f64>,
        /// Why it failed.
        failed: Option<&'e str>,
        /// Tokens and time.
        usage: Usage,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Samples that are answered and graded, those from before included.
    pub graded: usize,
    /// Samples that failed in this run.
    pub failed: usize,
    /// Samples in all.
    pub total: usize,
    /// Whether it was interrupted.
    pub interrupted: bool,
}
