//! Linears of a decoder: a frozen packed weight or a trained tensor, and what rows wear on it.

use super::ops::{FrozenLinear, LoraLinear, TrainedLinear, slice_of};
use super::{LinearDelta, LoraVars, Result, Site, Wear};
use candle_core::Tensor;
use kernels::{LoraSegment, PackedMatrix, Product};
use std::ops::Range;
use std::sync::Arc;

/// A frozen weight and its bias.
type Packed<'a> = (&'a PackedMatrix, Option<&'a [f32]>);

/// One linear `[n, k]`.
#[derive(Debug)]
pub(super) enum Linear {
    /// Packed once at load; never changes.
    Frozen { weight: Arc<PackedMatrix>, bias: Option<Arc<Vec<f32>>> },
    /// Trained from scratch: `[n, k]` f32, tracked.
    Trained { weight: Tensor },
}

impl Linear {
    /// The packed weight and the bias, where this linear is frozen.
    fn packed(&self) -> Option<Packed<'_>> {
        match self {
            Linear::Frozen { weight, bias } => Some((weight, bias.as_ref().map(|b| b.as_slice()))),
            Linear::Trained { .. } => None,
        }
    }

    /// The op that runs this linear, where it is frozen.
    fn frozen_op(weight: &Arc<PackedMatrix>, bias: &Option<Arc<Vec<f32>>>) -> FrozenLinear {
        FrozenLinear { weight: weight.clone(), bias: bias.clone() }
    }

    /// `x Wᵀ + b`, `[m, k] -> [m, n]`, differentiable, with an adapter in training on top.
    fn forward(&self, x: &Tensor, vars: Option<&LoraVars>) -> Result<Tensor> {
        match (self, vars) {
            (Linear::Frozen { weight, bias }, None) => {
                Ok(x.apply_op1(Self::frozen_op(weight, bias))?)
            }
            (Linear::Frozen { weight, bias }, Some(vars)) => {
                let base = Self::frozen_op(weight, bias);
                let op = LoraLinear { base, scale: vars.scale, dropout: vars.dropout };
                Ok(x.apply_op3(&vars.a, &vars.b, op)?)
            }
            (Linear::Trained { weight }, _) => Ok(x.apply_op2(weight, TrainedLinear)?),
        }
    }
}

/// Linears of one layer that read the same input, run in one dispatch.
pub(super) struct Group<'a, const N: usize> {
    pub(super) layer: usize,
    pub(super) sites: [Site; N],
    pub(super) linears: [&'a Linear; N],
}

impl<const N: usize> Group<'_, N> {
    /// The output of each linear for `x [rows, k]`, with what the rows wear.
    pub(super) fn forward(&self, x: &Tensor, wear: &Wear) -> Result<[Tensor; N]> {
        let outputs = match self.frozen() {
            Some(frozen) if !x.track_op() && !matches!(wear, Wear::Training(_)) => {
                self.forward_fused(x, frozen, wear)?
            }
            _ => self.forward_each(x, wear)?,
        };
        outputs.try_into().map_err(|_| super::Error::Batch("a group lost an output".into()))
    }

    /// The packed weights and biases, when all of them are frozen.
    fn frozen(&self) -> Option<Vec<Packed<'_>>> {
        self.linears.iter().map(|linear| linear.packed()).collect()
    }

    /// One tracked operation a linear.
    fn forward_each(&self, x: &Tensor, wear: &Wear) -> Result<Vec<Tensor>> {
        let vars = |site: Site| match wear {
            Wear::Training(adapter) => adapter.layers[self.layer][site as usize].as_ref(),
            Wear::Base | Wear::Adapters(_) => None,
        };
        let each = self.sites.iter().zip(&self.linears);
        each.map(|(&site, linear)| linear.forward(x, vars(site))).collect()
    }

    /// One product over all linears, then the deltas that rows wear, in place.
    fn forward_fused(&self, x: &Tensor, frozen: Vec<Packed>, wear: &Wear) -> Result<Vec<Tensor>> {
        let (m, k) = x.dims2()?;
        let mut ys: Vec<Vec<f32>> =
            frozen.iter().map(|(weight, _)| vec![0.0; m * weight.rows()]).collect();
        slice_of(x, |x| {
            let mut products: Vec<Product> = frozen
                .iter()
                .zip(&mut ys)
                .map(|(&(weight, bias), y)| Product { weight, bias, y })
                .collect();
            kernels::matmul(x, m, &mut products);
            for ((site, (_, bias)), y) in self.sites.iter().zip(&frozen).zip(&mut ys) {
                let deltas = worn_deltas(wear, |adapter| adapter.delta(self.layer, *site));
                apply_deltas(&deltas, (x, k), *bias, y, m);
            }
        })?;
        let tensor = |y: Vec<f32>| {
            let n = y.len() / m;
            Ok(Tensor::from_vec(y, (m, n), x.device())?)
        };
        ys.into_iter().map(tensor).collect()
    }
}

/// The rows and deltas that `pick` finds in what a step wears.
pub(super) fn worn_deltas<'a>(
    wear: &Wear<'a>,
    pick: impl Fn(&'a super::AdapterWeights) -> Option<&'a LinearDelta>,
) -> Vec<(Range<usize>, &'a LinearDelta)> {
    match wear {
        Wear::Adapters(worn) => {
            let each = worn.iter();
            each.filter_map(|w| Some((w.rows.clone(), pick(&w.adapter)?))).collect()
        }
        Wear::Base | Wear::Training(_) => Vec::new(),
    }
}

/// Applies deltas to the base output `y [m, n]` of `x [m, k]`, in place. See [`LinearDelta`].
pub(super) fn apply_deltas(
    deltas: &[(Range<usize>, &LinearDelta)],
    (x, k): (&[f32], usize),
    base_bias: Option<&[f32]>,
    y: &mut [f32],
    m: usize,
) {
    if deltas.is_empty() {
        return;
    }
    let n = y.len() / m;
    let each_row = |y: &mut [f32], rows: &Range<usize>, f: &dyn Fn(&mut [f32])| {
        y[rows.start * n..rows.end * n].chunks_exact_mut(n).for_each(f);
    };
    for (rows, delta) in deltas {
        if let Some(gain) = &delta.gain {
            each_row(y, rows, &|row| apply_gain(row, gain, base_bias));
        }
    }
    let segments: Vec<LoraSegment> = deltas
        .iter()
        .filter_map(|(rows, delta)| {
            let low_rank = delta.low_rank.as_ref()?;
            let (a, b, scale) = (&low_rank.a, &low_rank.b, low_rank.scale);
            Some(LoraSegment { rows: rows.clone(), a, b, scale })
        })
        .collect();
    if !segments.is_empty() {
        kernels::lora(x, k, y, n, &segments);
    }
    for (rows, delta) in deltas {
        if let Some(bias) = &delta.bias {
            each_row(y, rows, &|row| row.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
        }
    }
}

/// `y = gain ∘ (y − b) + b`.
fn apply_gain(row: &mut [f32], gain: &[f32], bias: Option<&[f32]>) {
    match bias {
        None => row.iter_mut().zip(gain).for_each(|(y, g)| *y *= g),
        Some(bias) => {
            for ((y, g), b) in row.iter_mut().zip(gain).zip(bias) {
                *y = (*y - b) * g + b;
            }
        }
    }
}
