//! Token embedding: rows gathered from the packed (often tied) matrix, or from a trained tensor.

use super::{AdapterWeights, EmbedChange, Result, Wear};
use candle_core::{Device, Tensor};
use kernels::PackedMatrix;
use std::sync::Arc;

/// The embedding `[vocab, hidden]`.
#[derive(Debug)]
pub(super) enum Embedding {
    /// Packed once at load.
    Frozen(Arc<PackedMatrix>),
    /// Trained from scratch, tracked.
    Trained(Tensor),
}

impl Embedding {
    /// `[rows] -> [rows, hidden]`, with what the rows wear.
    pub(super) fn forward(&self, ids: &[u32], wear: &Wear) -> Result<Tensor> {
        match self {
            Embedding::Trained(weight) => {
                let ids = Tensor::new(ids, weight.device())?;
                Ok(weight.index_select(&ids, 0)?)
            }
            Embedding::Frozen(weight) => {
                let hidden = weight.cols();
                let mut out = vec![0.0; ids.len() * hidden];
                gather(weight, ids, &mut out);
                if let Wear::Adapters(worn) = wear {
                    for worn in *worn {
                        let (start, end) = (worn.rows.start, worn.rows.end);
                        let rows = &mut out[start * hidden..end * hidden];
                        change_rows(&worn.adapter, &ids[start..end], rows);
                    }
                }
                Ok(Tensor::from_vec(out, (ids.len(), hidden), &Device::Cpu)?)
            }
        }
    }
}

fn gather(weight: &PackedMatrix, ids: &[u32], out: &mut [f32]) {
    for (&id, row) in ids.iter().zip(out.chunks_exact_mut(weight.cols())) {
        weight.read_row(id as usize, row);
    }
}

/// Applies an adapter's embedding change to rows that the base has filled.
fn change_rows(adapter: &AdapterWeights, ids: &[u32], rows: &mut [f32]) {
    let Some(EmbedChange { weight, gain, low_rank }) = &adapter.embed else { return };
    if let Some(weight) = weight {
        gather(weight, ids, rows);
    }
    if let Some(gain) = gain {
        for row in rows.chunks_exact_mut(gain.len()) {
            row.iter_mut().zip(gain).for_each(|(value, gain)| *value *= gain);
        }
    }
    let Some(low_rank) = low_rank else { return };
    let (hidden, rank) = (low_rank.b.rows(), low_rank.b.cols());
    let mut b_row = vec![0.0; rank];
    for h in 0..hidden {
        low_rank.b.read_row(h, &mut b_row);
        for (i, &id) in ids.iter().enumerate() {
            let a = &low_rank.a[id as usize * rank..][..rank];
            let dot: f32 = a.iter().zip(&b_row).map(|(a, b)| a * b).sum();
            rows[i * hidden + h] += low_rank.scale * dot;
        }
    }
}
