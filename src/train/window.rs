//! One accumulation window: its micro-batches through the model and back, and evaluation.
//!
//! The loss is the mean over all labels of all micro-batches of the window (TRL's rule), not a mean
//! of means. Gradients are summed in the order of the micro-batches, however many workers there are.

use super::backward::{Memory, Run};
use super::batch::{PackedBatch, Sample, label_count};
use super::error::TrainError;
use super::metrics::BatchStats;
use super::parameters::Gradients;
use super::plan::{BatchSize, Window, micro_batches};
use super::subject::{Place, Subject};
use super::workers::Workers;
use crate::model::Wear;

/// What a window came to.
#[derive(Debug)]
pub struct WindowOutcome {
    /// Gradients of the window's loss.
    pub gradients: Gradients,
    /// That loss.
    pub loss: f64,
    /// Statistics of each micro-batch.
    pub stats: Vec<BatchStats>,
}

/// Runs the window of step `step` (from 0).
///
/// # Errors
/// When an example does not fit the model.
pub fn backward(
    subject: &dyn Subject,
    train: &[Sample],
    (window, step): (&Window, u64),
    (workers, memory): (&Workers, Memory),
) -> Result<WindowOutcome, TrainError> {
    let labels: usize = window.iter().flatten().map(|&i| label_count(train[i].trained)).sum();
    let weight = 1.0 / labels.max(1) as f64;
    let mut sum = Ok((Gradients::zeros(subject.parameters()), Vec::with_capacity(window.len())));
    let work = |index: usize| {
        let place = Place::Training { step, micro_batch: index as u64 };
        let batch = PackedBatch::new(window[index].iter().map(|&i| train[i]));
        micro_batch(subject, &batch, place, (weight, memory))
    };
    workers.for_each(window.len(), work, |part| match (&mut sum, part) {
        (Ok((gradients, stats)), Ok((part, seen))) => {
            gradients.merge(&part);
            stats.push(seen);
        }
        (Ok(_), Err(error)) => sum = Err(error),
        (Err(_), _) => {}
    });
    let (gradients, stats) = sum?;
    let loss = stats.iter().map(|seen: &BatchStats| seen.loss).sum::<f64>() * weight;
    Ok(WindowOutcome { gradients, loss, stats })
}

/// Gradients of one micro-batch, its labels weighted by `weight`.
fn micro_batch(
    subject: &dyn Subject,
    batch: &PackedBatch,
    place: Place,
    (weight, memory): (f64, Memory),
) -> Result<(Gradients, BatchStats), TrainError> {
    let adapter = subject.adapter(place);
    let wear = adapter.as_ref().map_or(Wear::Base, Wear::Training);
    let mut gradients = Gradients::zeros(subject.parameters());
    let run = Run { decoder: subject.decoder(), wear, batch };
    let stats = run.backward(weight, memory, (subject.parameters(), &mut gradients))?;
    Ok((gradients, stats))
}

/// Loss and statistics over held-out examples.
///
/// # Errors
/// When an example does not fit the model.
pub fn evaluate(
    subject: &dyn Subject,
    eval: &[Sample],
    size: BatchSize,
) -> Result<BatchStats, TrainError> {
    let adapter = subject.adapter(Place::Evaluation);
    let wear = adapter.as_ref().map_or(Wear::Base, Wear::Training);
    let lengths: Vec<usize> = eval.iter().map(|sample| sample.ids.len()).collect();
    let order: Vec<usize> = (0..eval.len()).collect();
    let mut sum = BatchStats::default();
    for examples in micro_batches(size, &order, &lengths) {
        let batch = PackedBatch::new(examples.into_iter().map(|i| eval[i]));
        sum.add(Run { decoder: subject.decoder(), wear, batch: &batch }.evaluate()?);
    }
    Ok(sum)
}
