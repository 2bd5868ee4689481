//! `silu(gate) ∘ up` (Shazeer 2020).

use super::{floats_of, operand, output, slice_of};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

/// `(gate, up) -> silu(gate) ∘ up`, element by element.
pub(in crate::model) struct SwiGlu;

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let gate = operand(gate, gate_layout)?;
        let mut y = vec![0.0; gate.len()];
        kernels::swiglu(gate, operand(up, up_layout)?, &mut y);
        Ok(output(y, gate_layout.shape()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = floats_of(dy)?;
        let (mut dgate, mut dup) = (vec![0.0; dy.len()], vec![0.0; dy.len()]);
        slice_of(gate, |gate| {
            slice_of(up, |up| kernels::swiglu_backward(gate, up, &dy, &mut dgate, &mut dup))
        })??;
        let dgate = Tensor::from_vec(dgate, gate.shape(), gate.device())?;
        Ok((Some(dgate), Some(Tensor::from_vec(dup, up.shape(), up.device())?)))
    }
}
