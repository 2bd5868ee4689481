//! The output head: logits of chosen rows, and log-probabilities of targets for training.

use super::linear::{apply_deltas, worn_deltas};
use super::ops::{FrozenLogProbs, LogProbStats, TrainedLinear, TrainedLogProbs, slice_of};
use super::{Error, HeadChange, Result, Wear, Worn};
use candle_core::Tensor;
use kernels::{PackedMatrix, Product};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The head `[vocab, hidden]`.
#[derive(Debug)]
pub(super) enum Head {
    /// Packed once at load; the embedding's matrix where the model ties them.
    Frozen(Arc<PackedMatrix>),
    /// Trained from scratch, tracked; the embedding's tensor where the model ties them.
    Trained(Tensor),
}

/// Log-probabilities of targets, and what the head saw on the way.
#[derive(Debug)]
pub struct LogProbs {
    /// log p of each target, `[n]`, differentiable.
    pub logps: Tensor,
    /// Rows whose most likely token is the target.
    pub correct: usize,
    /// Sum over rows of the entropy in nats.
    pub entropy_sum: f64,
}

impl Head {
    /// Log-probabilities of `targets` under the base head for `hidden [n, hidden]`.
    pub(super) fn log_probs(&self, hidden: &Tensor, targets: &[u32]) -> Result<LogProbs> {
        if hidden.dim(0)? != targets.len() {
            return Err(Error::Batch(format!(
                "{} rows but {} targets",
                hidden.dim(0)?,
                targets.len()
            )));
        }
        let stats = Arc::new(Mutex::new(LogProbStats::default()));
        let targets = targets.to_vec();
        let logps = match self {
            Head::Frozen(head) => {
                let jacobian = hidden.track_op().then(Mutex::default);
                let head = head.clone();
                hidden.apply_op1(FrozenLogProbs {
                    head,
                    targets,
                    stats: stats.clone(),
                    jacobian,
                })?
            }
            Head::Trained(weight) => {
                hidden.apply_op2(weight, TrainedLogProbs { targets, stats: stats.clone() })?
            }
        };
        let LogProbStats { correct, entropy_sum } =
            *stats.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(LogProbs { logps, correct, entropy_sum })
    }

    /// Logits `[rows.len(), vocab]` of the chosen rows of `hidden [all, hidden]`, with what those
    /// rows wear. `rows` ascend.
    pub(super) fn logits(&self, hidden: &Tensor, rows: &[u32], wear: &Wear) -> Result<Tensor> {
        if rows.is_sorted_by(|a, b| a < b)
            && rows.last().is_none_or(|&r| (r as usize) < hidden.dims()[0])
        {
            let ids = Tensor::new(rows, hidden.device())?;
            let x = hidden.index_select(&ids, 0)?;
            match self {
                Head::Frozen(weight) => frozen_logits(weight, &x, &rewear(wear, rows)),
                Head::Trained(weight) => Ok(x.apply_op2(weight, TrainedLinear)?),
            }
        } else {
            Err(Error::Batch("rows that need logits must ascend and lie within the step".into()))
        }
    }
}

/// What the chosen rows wear, by their place among the chosen.
fn rewear(wear: &Wear, rows: &[u32]) -> Vec<Worn> {
    let Wear::Adapters(worn) = wear else { return Vec::new() };
    let place = |row: usize| rows.partition_point(|&r| (r as usize) < row);
    let each = worn.iter().filter(|worn| worn.adapter.head.is_some());
    each.map(|worn| Worn {
        rows: place(worn.rows.start)..place(worn.rows.end),
        adapter: worn.adapter.clone(),
    })
    .filter(|worn| !worn.rows.is_empty())
    .collect()
}

fn frozen_logits(weight: &PackedMatrix, x: &Tensor, worn: &[Worn]) -> Result<Tensor> {
    let (m, hidden) = x.dims2()?;
    let vocab = weight.rows();
    let mut y = vec![0.0; m * vocab];
    slice_of(x, |x| {
        for (rows, weight) in head_spans(weight, worn, m) {
            let x = &x[rows.start * hidden..rows.end * hidden];
            let y = &mut y[rows.start * vocab..rows.end * vocab];
            kernels::matmul(x, rows.len(), &mut [Product { weight, bias: None, y }]);
        }
        let deltas = worn_deltas(&Wear::Adapters(worn), |a| a.head.as_ref()?.delta.as_ref());
        apply_deltas(&deltas, (x, hidden), None, &mut y, m);
    })?;
    Ok(Tensor::from_vec(y, (m, vocab), x.device())?)
}

/// Consecutive rows and the head matrix each span uses: an adapter's own, or the base's.
fn head_spans<'a>(
    base: &'a PackedMatrix,
    worn: &'a [Worn],
    m: usize,
) -> Vec<(Range<usize>, &'a PackedMatrix)> {
    let (mut spans, mut next) = (Vec::new(), 0);
    for worn in worn {
        let Some(HeadChange { weight: Some(weight), .. }) = &worn.adapter.head else { continue };
        spans.push((next..worn.rows.start, base));
        spans.push((worn.rows.clone(), weight));
        next = worn.rows.end;
    }
    spans.push((next..m, base));
    spans.retain(|(rows, _)| !rows.is_empty());
    spans
}
