//! Figures of a run, under the names that TRL gives them.
//!
//! `loss` is the mean of the step losses since the last log; `entropy` and `mean_token_accuracy`
//! are means over micro-batches; `grad_norm` (before clipping) and `learning_rate` are those of the
//! last step; `num_tokens` counts every token seen.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Sums over the labels of one forward pass.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BatchStats {
    /// Sum of the negative log-probabilities of the labels.
    pub loss: f64,
    /// How many labels there were.
    pub labels: usize,
    /// Labels that were the most probable token.
    pub correct: usize,
    /// Sum of the entropies of the predictions, in nats.
    pub entropy: f64,
    /// Tokens run, labelled or not.
    pub tokens: usize,
}

impl BatchStats {
    /// Adds another batch's sums.
    pub fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.labels += other.labels;
        self.correct += other.correct;
        self.entropy += other.entropy;
        self.tokens += other.tokens;
    }

    fn per_label(&self, sum: f64) -> f64 {
        sum / self.labels.max(1) as f64
    }

    /// Metrics of an evaluation, with TRL's `eval_` names.
    pub fn eval_metrics(&self) -> Map<String, Value> {
        entries([
            ("eval_loss", json!(self.per_label(self.loss))),
            ("eval_entropy", json!(self.per_label(self.entropy))),
            ("eval_mean_token_accuracy", json!(self.per_label(self.correct as f64))),
            ("eval_num_tokens", json!(self.tokens)),
        ])
    }
}

/// What one optimizer step reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Loss of the window: summed over its labels, divided by their number.
    pub loss: f64,
    /// Gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate that the step used.
    pub learning_rate: f64,
    /// Epochs done after the step.
    pub epoch: f64,
}

/// Running means since the last log, and totals since the start. Part of every checkpoint, so that
/// a resumed run logs what the uninterrupted one would have logged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    loss: f64,
    steps: u64,
    entropy: f64,
    accuracy: f64,
    micro_batches: u64,
    /// Tokens run since the start of the run.
    pub num_tokens: u64,
}

impl Meter {
    /// Counts one micro-batch.
    pub fn micro_batch(&mut self, stats: &BatchStats) {
        self.entropy += stats.per_label(stats.entropy);
        self.accuracy += stats.per_label(stats.correct as f64);
        self.micro_batches += 1;
        self.num_tokens += stats.tokens as u64;
    }

    /// Counts one finished step.
    pub fn step(&mut self, loss: f64) {
        self.loss += loss;
        self.steps += 1;
    }

    /// The metrics since the last call; starts the means anew.
    pub fn take(&mut self, report: &StepReport) -> Map<String, Value> {
        let batches = self.micro_batches.max(1) as f64;
        let metrics = entries([
            ("loss", json!(self.loss / self.steps.max(1) as f64)),
            ("grad_norm", json!(report.grad_norm)),
            ("learning_rate", json!(report.learning_rate)),
            ("entropy", json!(self.entropy / batches)),
            ("num_tokens", json!(self.num_tokens)),
            ("mean_token_accuracy", json!(self.accuracy / batches)),
            ("epoch", json!(report.epoch)),
        ]);
        *self = Self { num_tokens: self.num_tokens, ..Self::default() };
        metrics
    }
}

/// A JSON object of these entries, in this order.
pub fn entries<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_as_trl_does() {
        let mut meter = Meter::default();
        let batch = |loss, labels, correct| BatchStats {
            loss,
            labels,
            correct,
            entropy: 2.0 * labels as f64,
            tokens: 10,
        };
        meter.micro_batch(&batch(4.0, 4, 1));
        meter.micro_batch(&batch(6.0, 2, 2));
        meter.step(10.0 / 6.0);
        meter.step(0.5);
        let report = StepReport { loss: 0.5, grad_norm: 1.5, learning_rate: 1e-4, epoch: 0.25 };
        let metrics = meter.take(&report);
        assert!((metrics["loss"].as_f64().unwrap() - (10.0 / 6.0 + 0.5) / 2.0).abs() < 1e-12);
        assert_eq!(metrics["mean_token_accuracy"], json!((0.25 + 1.0) / 2.0));
        assert_eq!(metrics["entropy"], json!(2.0));
        assert_eq!(metrics["num_tokens"], json!(20));
        assert_eq!(meter, Meter { num_tokens: 20, ..Meter::default() });
    }

    #[test]
    fn evaluation_is_a_mean_over_labels() {
        let mut all = BatchStats { loss: 3.0, labels: 1, correct: 1, entropy: 0.5, tokens: 7 };
        all.add(BatchStats { loss: 1.0, labels: 3, correct: 0, entropy: 1.5, tokens: 9 });
        let metrics = all.eval_metrics();
        assert_eq!(metrics["eval_loss"], json!(1.0));
        assert_eq!(metrics["eval_mean_token_accuracy"], json!(0.25));
        assert_eq!(metrics["eval_num_tokens"], json!(16));
    }
}
