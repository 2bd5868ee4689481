//! A frozen linear with a LoRA in training: `y = x Wᵀ + b + scale · (drop(x) Aᵀ) Bᵀ`.
//!
//! The forward pass is the one that serves a loaded adapter, so what training computes is what
//! the server answers. Gradients: Hu et al. 2021.

use super::linear::frozen_dx;
use super::{FrozenLinear, floats_of, operand, slice_of};
use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};
use kernels::{GemmShape, LoraSegment, PackedMatrix, Write};
use std::borrow::Cow;

/// Inverted dropout whose mask is decided by a seed, so a recomputed layer sees the same one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Probability of a zero, in `[0, 1)`.
    pub p: f32,
    /// Decides the mask; one seed per (step, micro-batch, layer, site).
    pub seed: u64,
}

impl Dropout {
    /// The factor on element `index`: 0, or `1 / (1 - p)`.
    fn factor(&self, index: usize) -> f32 {
        let bits = splitmix::first(self.seed ^ (index as u64).wrapping_mul(splitmix::GOLDEN_GAMMA));
        let uniform = (bits >> 40) as f32 / (1u64 << 24) as f32;
        if uniform < self.p { 0.0 } else { 1.0 / (1.0 - self.p) }
    }

    pub(super) fn apply(&self, values: &mut [f32]) {
        for (index, value) in values.iter_mut().enumerate() {
            *value *= self.factor(index);
        }
    }
}

/// `(x [m, k], A [r, k], B [n, r]) -> [m, n]`.
pub(in crate::model) struct LoraLinear {
    pub(in crate::model) base: FrozenLinear,
    pub(in crate::model) scale: f32,
    pub(in crate::model) dropout: Option<Dropout>,
}

impl LoraLinear {
    fn dropped<'a>(&self, x: &'a [f32]) -> Cow<'a, [f32]> {
        match &self.dropout {
            None => Cow::Borrowed(x),
            Some(dropout) => {
                let mut x = x.to_vec();
                dropout.apply(&mut x);
                Cow::Owned(x)
            }
        }
    }
}

impl CustomOp3 for LoraLinear {
    fn name(&self) -> &'static str {
        "lora-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (m, k) = x_layout.shape().dims2()?;
        let (r, n) = (a_layout.shape().dims2()?.0, self.base.weight.rows());
        let a = PackedMatrix::pack_f32(operand(a, a_layout)?, r, k);
        let b = PackedMatrix::pack_f32(operand(b, b_layout)?, n, r);
        let (CpuStorage::F32(mut y), shape) = self.base.cpu_fwd(x, x_layout)? else {
            candle_core::bail!("the base product is not f32");
        };
        let x = self.dropped(operand(x, x_layout)?);
        let segment = LoraSegment { rows: 0..m, a: &a, b: &b, scale: self.scale };
        kernels::lora(&x, k, &mut y, n, &[segment]);
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((m, k), (n, r)) = (x.dims2()?, b.dims2()?);
        let dy = floats_of(dy)?;
        let (mut shrunk, mut dy_b) = (vec![0.0; m * r], vec![0.0; m * r]);
        let (mut da, mut db) = (vec![0.0; r * k], vec![0.0; n * r]);
        slice_of(b, |b| {
            kernels::gemm_nn(GemmShape { m, n: r, k: n }, &dy, b, &mut dy_b, Write::Overwrite)
        })?;
        scale_all(&mut dy_b, self.scale);
        slice_of(x, |x| -> Result<()> {
            let x = self.dropped(x);
            slice_of(a, |a| {
                kernels::gemm_nt(GemmShape { m, n: r, k }, &x, a, &mut shrunk, Write::Overwrite)
            })?;
            kernels::gemm_tn(GemmShape { m: r, n: k, k: m }, &dy_b, &x, &mut da, Write::Overwrite);
            Ok(())
        })??;
        scale_all(&mut shrunk, self.scale);
        kernels::gemm_tn(GemmShape { m: n, n: r, k: m }, &dy, &shrunk, &mut db, Write::Overwrite);
        let dx = self.dx(x, a, &dy, &dy_b)?;
        let device = x.device();
        let da = Tensor::from_vec(da, (r, k), device)?;
        Ok((Some(dx), Some(da), Some(Tensor::from_vec(db, (n, r), device)?)))
    }
}

impl LoraLinear {
    /// dX = dY W + mask ∘ (scale · dY B) A.
    fn dx(&self, x: &Tensor, a: &Tensor, dy: &[f32], dy_b: &[f32]) -> Result<Tensor> {
        let ((m, k), r) = (x.dims2()?, a.dims2()?.0);
        let mut branch = vec![0.0; m * k];
        slice_of(a, |a| {
            kernels::gemm_nn(GemmShape { m, n: k, k: r }, dy_b, a, &mut branch, Write::Overwrite)
        })?;
        if let Some(dropout) = &self.dropout {
            dropout.apply(&mut branch);
        }
        frozen_dx(&self.base.weight, x, dy)? + Tensor::from_vec(branch, (m, k), x.device())?
    }
}

fn scale_all(values: &mut [f32], scale: f32) {
    for value in values {
        *value *= scale;
    }
}
