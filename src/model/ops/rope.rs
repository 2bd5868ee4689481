//! Rotary embedding of queries or keys, half-split as in Hugging Face's `rotate_half`.

use super::{floats_of, operand, output};
use crate::model::rotary::RotaryRows;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use kernels::Direction;

/// `[rows, heads * head_dim]`, each head rotated by its row's angles. A rotation's backward is
/// the rotation by the opposite angle.
pub(in crate::model) struct Rope {
    pub(in crate::model) heads: usize,
    pub(in crate::model) head_dim: usize,
    pub(in crate::model) angles: RotaryRows,
}

impl Rope {
    fn rotate(&self, values: &mut [f32], direction: Direction) {
        let RotaryRows { cos, sin } = &self.angles;
        kernels::rope(values, self.heads, self.head_dim, cos, sin, direction);
    }
}

impl CustomOp1 for Rope {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = operand(storage, layout)?.to_vec();
        self.rotate(&mut y, Direction::Forward);
        Ok(output(y, layout.shape()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let mut dx = floats_of(dy)?;
        self.rotate(&mut dx, Direction::Backward);
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
