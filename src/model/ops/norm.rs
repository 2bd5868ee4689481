//! Root-mean-square norm over the last dimension (Zhang and Sennrich 2019).

use super::{floats_of, operand, output, slice_of};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

/// `(x [rows, d], w [d]) -> x / rms(x) ∘ w`. Backward gives dX, and dW where it is trained.
pub(in crate::model) struct RmsNorm {
    pub(in crate::model) eps: f32,
    pub(in crate::model) trained: bool,
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = operand(x, x_layout)?;
        let mut y = vec![0.0; x.len()];
        kernels::rms_norm(x, operand(w, w_layout)?, self.eps, &mut y);
        Ok(output(y, x_layout.shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = floats_of(dy)?;
        let (mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; w.elem_count()]);
        let dw_out = self.trained.then_some(dw.as_mut_slice());
        slice_of(x, |x| {
            slice_of(w, |w| kernels::rms_norm_backward(x, w, self.eps, &dy, &mut dx, dw_out))
        })??;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        let dw = self.trained.then(|| Tensor::from_vec(dw, w.shape(), w.device())).transpose()?;
        Ok((Some(dx), dw))
    }
}
