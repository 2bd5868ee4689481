//! Log-probability of one target per row under the output head, without ever holding
//! `[rows, vocab]`: rows go through the head in chunks.
//!
//! `logp_i = z_i[y_i] − logsumexp(z_i)` with `z = h Wᵀ`; `d logp_i / d z_i = onehot(y_i) − p_i`.

use super::{floats_of, operand, output, slice_of};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use kernels::{GemmShape, PackedMatrix, Product, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of logits held at once.
const CHUNK_BYTES: usize = 16 << 20;

/// What a pass over the head saw besides the log-probabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::model) struct LogProbStats {
    /// Rows whose largest logit is the target's.
    pub(in crate::model) correct: usize,
    /// Sum over rows of the distribution's entropy, in nats.
    pub(in crate::model) entropy_sum: f64,
}

/// Where an operation leaves its statistics.
pub(in crate::model) type StatsCell = Arc<Mutex<LogProbStats>>;

fn chunk_rows(vocab: usize) -> usize {
    (CHUNK_BYTES / 4 / vocab.max(1)).clamp(1, 512)
}

/// log p of each target from a chunk of logits `[rows, vocab]`, and the statistics.
fn score(logits: &[f32], targets: &[u32], logps: &mut [f32], stats: &mut LogProbStats) {
    let vocab = logits.len() / targets.len();
    for ((row, &target), logp) in logits.chunks_exact(vocab).zip(targets).zip(logps) {
        let seen = kernels::log_softmax_stats(row);
        *logp = row[target as usize] - seen.log_sum_exp;
        stats.correct += usize::from(seen.argmax == target as usize);
        stats.entropy_sum += f64::from(seen.entropy);
    }
}

/// Turns a chunk of logits into `upstream_i · (onehot(y_i) − p_i)`, in place.
fn logit_gradient(logits: &mut [f32], targets: &[u32], upstream: impl Fn(usize) -> f32) {
    let vocab = logits.len() / targets.len();
    for (i, (row, &target)) in logits.chunks_exact_mut(vocab).zip(targets).enumerate() {
        kernels::softmax_in_place(row);
        let g = upstream(i);
        for p in row.iter_mut() {
            *p *= -g;
        }
        row[target as usize] += g;
    }
}

/// `h [n, hidden] -> logp [n]` under a frozen packed head. The forward pass of a tracked `h`
/// also leaves `d logp_i / d h_i = (onehot − p_i) W`, which is all that backward needs.
pub(in crate::model) struct FrozenLogProbs {
    pub(in crate::model) head: Arc<PackedMatrix>,
    pub(in crate::model) targets: Vec<u32>,
    pub(in crate::model) stats: StatsCell,
    /// `[n, hidden]`, filled by the forward pass when there is one to fill.
    pub(in crate::model) jacobian: Option<Mutex<Vec<f32>>>,
}

impl CustomOp1 for FrozenLogProbs {
    fn name(&self) -> &'static str {
        "frozen-log-probs"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, hidden) = layout.shape().dims2()?;
        let (h, vocab) = (operand(storage, layout)?, self.head.rows());
        let rows = chunk_rows(vocab);
        let mut logps = vec![0.0; n];
        let mut jacobian = vec![0.0; if self.jacobian.is_some() { n * hidden } else { 0 }];
        let mut stats = LogProbStats::default();
        for (c, h) in h.chunks(rows * hidden).enumerate() {
            let (start, m) = (c * rows, h.len() / hidden);
            let targets = &self.targets[start..start + m];
            let mut logits = vec![0.0; m * vocab];
            let product = Product { weight: &self.head, bias: None, y: &mut logits };
            kernels::matmul(h, m, &mut [product]);
            score(&logits, targets, &mut logps[start..start + m], &mut stats);
            if !jacobian.is_empty() {
                logit_gradient(&mut logits, targets, |_| 1.0);
                let rows = &mut jacobian[start * hidden..(start + m) * hidden];
                kernels::matmul_transposed(&logits, m, &self.head, rows);
            }
        }
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
        if let Some(cell) = &self.jacobian {
            *cell.lock().unwrap_or_else(PoisonError::into_inner) = jacobian;
        }
        Ok(output(logps, n))
    }

    fn bwd(&self, h: &Tensor, _logps: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let Some(jacobian) = &self.jacobian else {
            candle_core::bail!("log-probabilities were computed without gradients");
        };
        let mut dh = jacobian.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (n, hidden) = h.dims2()?;
        for (row, g) in dh.chunks_exact_mut(hidden).zip(floats_of(upstream)?) {
            for value in row {
                *value *= g;
            }
        }
        Ok(Some(Tensor::from_vec(dh, (n, hidden), h.device())?))
    }
}

/// `(h [n, hidden], W [vocab, hidden]) -> logp [n]` under a trained head. Backward computes the
/// logits a second time, chunk by chunk, and gives dH and dW.
pub(in crate::model) struct TrainedLogProbs {
    pub(in crate::model) targets: Vec<u32>,
    pub(in crate::model) stats: StatsCell,
}

impl CustomOp2 for TrainedLogProbs {
    fn name(&self) -> &'static str {
        "trained-log-probs"
    }

    fn cpu_fwd(
        &self,
        h: &CpuStorage,
        h_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((n, hidden), (vocab, _)) = (h_layout.shape().dims2()?, w_layout.shape().dims2()?);
        let (h, w) = (operand(h, h_layout)?, operand(w, w_layout)?);
        let rows = chunk_rows(vocab);
        let (mut logps, mut stats) = (vec![0.0; n], LogProbStats::default());
        for (c, h) in h.chunks(rows * hidden).enumerate() {
            let (start, m) = (c * rows, h.len() / hidden);
            let mut logits = vec![0.0; m * vocab];
            kernels::gemm_nt(
                GemmShape { m, n: vocab, k: hidden },
                h,
                w,
                &mut logits,
                Write::Overwrite,
            );
            let targets = &self.targets[start..start + m];
            score(&logits, targets, &mut logps[start..start + m], &mut stats);
        }
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
        Ok(output(logps, n))
    }

    fn bwd(
        &self,
        h: &Tensor,
        w: &Tensor,
        _logps: &Tensor,
        upstream: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((n, hidden), (vocab, _)) = (h.dims2()?, w.dims2()?);
        let upstream = floats_of(upstream)?;
        let (mut dh, mut dw) = (vec![0.0; n * hidden], vec![0.0; vocab * hidden]);
        let rows = chunk_rows(vocab);
        let chunk = |h: &[f32], w: &[f32], start: usize, dh: &mut [f32], dw: &mut [f32]| {
            let m = h.len() / hidden;
            let mut dz = vec![0.0; m * vocab];
            kernels::gemm_nt(GemmShape { m, n: vocab, k: hidden }, h, w, &mut dz, Write::Overwrite);
            logit_gradient(&mut dz, &self.targets[start..start + m], |i| upstream[start + i]);
            kernels::gemm_nn(GemmShape { m, n: hidden, k: vocab }, &dz, w, dh, Write::Overwrite);
            kernels::gemm_tn(
                GemmShape { m: vocab, n: hidden, k: m },
                &dz,
                h,
                dw,
                Write::Accumulate,
            );
        };
        slice_of(w, |w| {
            slice_of(h, |h| {
                let chunks = h.chunks(rows * hidden).zip(dh.chunks_mut(rows * hidden));
                for (c, (h, dh)) in chunks.enumerate() {
                    chunk(h, w, c * rows, dh, &mut dw);
                }
            })
        })??;
        let dh = Tensor::from_vec(dh, (n, hidden), h.device())?;
        Ok((Some(dh), Some(Tensor::from_vec(dw, (vocab, hidden), w.device())?)))
    }
}
