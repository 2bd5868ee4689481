//! Learning-rate schedules: linear warm-up, then constant, linear or cosine.
//!
//! The formulas are those of `transformers.optimization.get_scheduler`; `constant` here is HF's
//! `constant_with_warmup`, which equals its `constant` when there is no warm-up.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// The shape of the learning rate after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchedulerType {
    /// Stays at the peak.
    Constant,
    /// Falls in a straight line to zero at the last step.
    Linear,
    /// Falls along half a cosine to zero at the last step.
    Cosine,
}

/// A learning rate for every step of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    kind: SchedulerType,
    peak: f64,
    warmup_steps: usize,
    total_steps: usize,
}

impl Schedule {
    /// A schedule that peaks at `peak`. A `warmup` below 1 is a share of `total_steps`, rounded up
    /// (HF's `get_warmup_steps`) but for the last step: a run that is all warm-up never gets to its
    /// peak, one of a single step would not learn at all. From 1 on it is a number of steps.
    pub fn new(kind: SchedulerType, peak: f64, warmup: f64, total_steps: usize) -> Self {
        let warmup_steps = if warmup < 1.0 {
            let share = (total_steps as f64 * warmup).ceil() as usize;
            share.min(total_steps.saturating_sub(1))
        } else {
            warmup.ceil() as usize
        };
        Self { kind, peak, warmup_steps, total_steps }
    }

    /// The learning rate of the optimizer step that follows `done` finished steps.
    pub fn learning_rate(&self, done: usize) -> f64 {
        self.peak * self.factor(done)
    }

    /// Whether any step of the run has a learning rate above 0.
    pub fn trains(&self) -> bool {
        (0..self.total_steps).any(|done| self.learning_rate(done) > 0.0)
    }

    /// Whether the run ends before or as its warm-up does.
    pub fn ends_in_warmup(&self) -> bool {
        self.warmup_steps >= self.total_steps
    }

    fn factor(&self, done: usize) -> f64 {
        if done < self.warmup_steps {
            return done as f64 / self.warmup_steps.max(1) as f64;
        }
        let span = self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        match self.kind {
            SchedulerType::Constant => 1.0,
            SchedulerType::Linear => (self.total_steps as f64 - done as f64).max(0.0) / span,
            SchedulerType::Cosine => {
                let progress = (done - self.warmup_steps) as f64 / span;
                (0.5 * (1.0 + (PI * progress).cos())).max(0.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded by `tests/golden/train/schedule.py` with `transformers.get_scheduler`.
    const GOLDEN: &str = include_str!("../../tests/golden/train/schedule.json");

    #[derive(Deserialize)]
    struct Case {
        kind: SchedulerType,
        peak: f64,
        warmup: f64,
        total: usize,
        rates: Vec<f64>,
    }

    #[test]
    fn a_share_leaves_the_last_step_to_the_peak_and_a_number_may_take_all() {
        let schedule = |warmup, total| Schedule::new(SchedulerType::Linear, 1e-3, warmup, total);
        assert!(schedule(0.03, 1).trains() && !schedule(0.03, 1).ends_in_warmup());
        assert!(schedule(0.99, 3).trains() && !schedule(0.99, 3).ends_in_warmup());
        assert!(!schedule(1.0, 1).trains() && schedule(1.0, 1).ends_in_warmup());
        assert!(schedule(0.0, 1).trains() && !schedule(0.0, 1).ends_in_warmup());
        assert!(schedule(5.0, 3).trains() && schedule(5.0, 3).ends_in_warmup());
        assert!(schedule(0.03, 2).trains() && !schedule(0.03, 2).ends_in_warmup());
    }

    #[test]
    fn follows_transformers() {
        let cases: Vec<Case> = serde_json::from_str(GOLDEN).unwrap();
        assert!(cases.len() >= 9);
        for case in cases {
            let schedule = Schedule::new(case.kind, case.peak, case.warmup, case.total);
            for (step, expected) in case.rates.iter().enumerate() {
                let found = schedule.learning_rate(step);
                assert!((found - expected).abs() <= 1e-12, "step {step}: {found} != {expected}");
            }
        }
    }
}
