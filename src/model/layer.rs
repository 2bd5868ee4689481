//! One decoder layer: norm, attention, norm, gated MLP, each with its residual.

use super::linear::{Group, Linear};
use super::ops::{FreshAttention, RmsNorm, Rope, SwiGlu, paged_attention, slice_of};
use super::rotary::RotaryRows;
use super::{Kv, Observer, Result, Site, Step};
use candle_core::Tensor;
use formats::ModelConfig;
use kernels::AttentionShape;

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) index: usize,
    pub(super) input_norm: Tensor,
    pub(super) post_attention_norm: Tensor,
    /// Norms of each query and key head (Qwen3).
    pub(super) qk_norms: Option<[Tensor; 2]>,
    /// By `site as usize`.
    pub(super) linears: [Linear; 7],
}

/// What every layer of a pass shares.
pub(super) struct Context<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) step: &'a Step<'a>,
    pub(super) angles: RotaryRows,
    pub(super) observer: Option<&'a dyn Observer>,
}

impl Context<'_> {
    fn attention_shape(&self) -> AttentionShape {
        AttentionShape {
            heads: self.config.num_attention_heads,
            kv_heads: self.config.num_key_value_heads,
            head_dim: self.config.head_dim,
            scale: (self.config.head_dim as f32).sqrt().recip(),
        }
    }

    pub(super) fn norm(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let op = RmsNorm { eps: self.config.rms_norm_eps as f32, trained: weight.track_op() };
        Ok(x.apply_op2(weight, op)?)
    }

    fn rope(&self, x: &Tensor, heads: usize) -> Result<Tensor> {
        let op = Rope { heads, head_dim: self.config.head_dim, angles: self.angles.clone() };
        Ok(x.apply_op1(op)?)
    }
}

impl Layer {
    /// `[rows, hidden] -> [rows, hidden]`.
    pub(super) fn forward(&self, x: &Tensor, context: &Context) -> Result<Tensor> {
        let attended = self.attention(&context.norm(x, &self.input_norm)?, context)?;
        let x = (x + attended)?;
        let fed = self.mlp(&context.norm(&x, &self.post_attention_norm)?, context)?;
        Ok((x + fed)?)
    }

    /// What the linears at `sites` make of `x`, which all of them read.
    fn project<const N: usize>(
        &self,
        sites: [Site; N],
        x: &Tensor,
        context: &Context,
    ) -> Result<[Tensor; N]> {
        if let Some(observer) = context.observer {
            let (_, columns) = x.dims2()?;
            slice_of(x, |x| observer.inputs(self.index, &sites, x, columns))?;
        }
        let linears = sites.map(|site| &self.linears[site as usize]);
        Group { layer: self.index, sites, linears }.forward(x, &context.step.wear)
    }

    fn attention(&self, x: &Tensor, context: &Context) -> Result<Tensor> {
        let [mut q, mut k, v] = self.project([Site::Q, Site::K, Site::V], x, context)?;
        if let Some([q_norm, k_norm]) = &self.qk_norms {
            q = context.norm(&q, q_norm)?;
            k = context.norm(&k, k_norm)?;
        }
        let shape = context.attention_shape();
        let (q, k) = (context.rope(&q, shape.heads)?, context.rope(&k, shape.kv_heads)?);
        let attended = match &context.step.kv {
            Kv::Paged { cache, slots, seqs } => {
                paged_attention(&shape, [&q, &k, &v], &mut cache.layer(self.index), slots, seqs)?
            }
            Kv::Fresh { lens } => {
                q.apply_op3(&k, &v, FreshAttention { shape, lens: lens.to_vec() })?
            }
        };
        let [out] = self.project([Site::O], &attended, context)?;
        Ok(out)
    }

    fn mlp(&self, x: &Tensor, context: &Context) -> Result<Tensor> {
        let [gate, up] = self.project([Site::Gate, Site::Up], x, context)?;
        let hidden = gate.apply_op2(&up, SwiGlu)?;
        let [out] = self.project([Site::Down], &hidden, context)?;
        Ok(out)
    }
}
