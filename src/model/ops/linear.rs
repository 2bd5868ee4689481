//! `y = x Wᵀ + b`, with a frozen packed weight (no weight gradient) or a trained one.

use super::{floats_of, operand, output};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use kernels::{GemmShape, PackedMatrix, Product, Write};
use std::sync::Arc;

/// A linear over a frozen packed weight: `[m, k] -> [m, n]`. Backward gives dX alone.
pub(in crate::model) struct FrozenLinear {
    pub(in crate::model) weight: Arc<PackedMatrix>,
    pub(in crate::model) bias: Option<Arc<Vec<f32>>>,
}

impl CustomOp1 for FrozenLinear {
    fn name(&self) -> &'static str {
        "frozen-linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (m, _) = layout.shape().dims2()?;
        let mut y = vec![0.0; m * self.weight.rows()];
        let bias = self.bias.as_ref().map(|bias| bias.as_slice());
        let product = Product { weight: &self.weight, bias, y: &mut y };
        kernels::matmul(operand(storage, layout)?, m, &mut [product]);
        Ok(output(y, (m, self.weight.rows())))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(frozen_dx(&self.weight, x, &floats_of(dy)?)?))
    }
}

/// dX = dY W.
pub(super) fn frozen_dx(weight: &PackedMatrix, x: &Tensor, dy: &[f32]) -> Result<Tensor> {
    let (m, k) = x.dims2()?;
    let mut dx = vec![0.0; m * k];
    kernels::matmul_transposed(dy, m, weight, &mut dx);
    Tensor::from_vec(dx, (m, k), x.device())
}

/// A linear over a trained weight `[n, k]`: `(x, W) -> x Wᵀ`. Backward gives dX and dW.
pub(in crate::model) struct TrainedLinear;

impl CustomOp2 for TrainedLinear {
    fn name(&self) -> &'static str {
        "trained-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (m, k) = x_layout.shape().dims2()?;
        let (n, _) = w_layout.shape().dims2()?;
        let mut y = vec![0.0; m * n];
        kernels::gemm_nt(
            GemmShape { m, n, k },
            operand(x, x_layout)?,
            operand(w, w_layout)?,
            &mut y,
            Write::Overwrite,
        );
        Ok(output(y, (m, n)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((m, k), (n, _)) = (x.dims2()?, w.dims2()?);
        let dy = floats_of(dy)?;
        let (mut dx, mut dw) = (vec![0.0; m * k], vec![0.0; n * k]);
        super::slice_of(w, |w| {
            kernels::gemm_nn(GemmShape { m, n: k, k: n }, &dy, w, &mut dx, Write::Overwrite)
        })?;
        super::slice_of(x, |x| {
            kernels::gemm_tn(GemmShape { m: n, n: k, k: m }, &dy, x, &mut dw, Write::Overwrite)
        })?;
        let dx = Tensor::from_vec(dx, (m, k), x.device())?;
        Ok((Some(dx), Some(Tensor::from_vec(dw, (n, k), x.device())?)))
    }
}
