//! Causal attention of ragged rows: over a paged cache (inference), or over the step's own
//! sequences with gradients (training). Both are one kernel over one cache layout, so a row's
//! result has the same bits either way.

use super::{floats_of, operand, output, slice_of};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use kernels::{AttentionShape, KvBlocks, SeqRows};

/// Adds this step's keys and values to `kv` and attends: q `[rows, heads * d]`, k and v
/// `[rows, kv_heads * d]` to `[rows, heads * d]`.
pub(in crate::model) fn paged_attention(
    shape: &AttentionShape,
    [q, k, v]: [&Tensor; 3],
    kv: &mut KvBlocks,
    slots: &[u32],
    seqs: &[SeqRows],
) -> Result<Tensor> {
    let mut out = vec![0.0; q.elem_count()];
    slice_of(k, |k| slice_of(v, |v| kv.write(k, v, slots)))??;
    slice_of(q, |q| kernels::attention(q, shape.heads, shape.scale, kv, seqs, &mut out))?;
    Tensor::from_vec(out, q.shape(), q.device())
}

/// `(q, k, v) -> out` for whole sequences packed one after another.
pub(in crate::model) struct FreshAttention {
    pub(in crate::model) shape: AttentionShape,
    /// Rows of each sequence.
    pub(in crate::model) lens: Vec<usize>,
}

impl CustomOp3 for FreshAttention {
    fn name(&self) -> &'static str {
        "fresh-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let q = operand(q, q_layout)?;
        let (k, v) = (operand(k, k_layout)?, operand(v, v_layout)?);
        let mut out = vec![0.0; q.len()];
        kernels::attention_packed(self.shape, (q, k, v), &self.lens, &mut out);
        Ok(output(out, q_layout.shape()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _out: &Tensor,
        dout: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dout = floats_of(dout)?;
        let mut dq = vec![0.0; q.elem_count()];
        let (mut dk, mut dv) = (vec![0.0; k.elem_count()], vec![0.0; v.elem_count()]);
        let (q_data, k_data, v_data) = (floats_of(q)?, floats_of(k)?, floats_of(v)?);
        kernels::attention_backward(
            self.shape, &q_data, &k_data, &v_data, &dout, &self.lens, &mut dq, &mut dk, &mut dv,
        );
        let wrap =
            |grad: Vec<f32>, like: &Tensor| Tensor::from_vec(grad, like.shape(), like.device());
        Ok((Some(wrap(dq, q)?), Some(wrap(dk, k)?), Some(wrap(dv, v)?)))
    }
}
