//! Gradients of causal attention over packed sequences: the checks, and the cutting into work items
//! of one sequence and key/value head each. The mathematics is in `gradient.rs`.

use crate::attention::AttentionShape;
use crate::attention::gradient::{Gradients, Head, Sequence};
use crate::level::Level;
use crate::parallel::{SharedMut, Spread, for_each};

/// The gradients of [`crate::attention_packed`], overwriting `dq`, `dk` and `dv`.
///
/// `q`, `dout`, `dq` are `[rows, heads, head_dim]`; `k`, `v`, `dk`, `dv` `[rows, kv_heads,
/// head_dim]`; `lens` are the rows of each sequence, one after another. With `P` the probabilities,
/// `dP = dout · Vᵀ` and `dS = P * (dP - rowsum(P * dP)) * scale`: `dq = dS · K`, `dk = dSᵀ · q` and
/// `dv = Pᵀ · dout`, the last two summed over the query heads of a group in ascending order.
///
/// # Panics
/// When shapes disagree.
#[expect(clippy::too_many_arguments, reason = "three inputs, their gradients and the output's")]
pub fn attention_backward(
    shape: AttentionShape,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    dout: &[f32],
    lens: &[usize],
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
) {
    backward_at(Level::active(), shape, (q, k, v, dout), lens, [dq, dk, dv]);
}

pub(crate) fn backward_at(
    level: Level,
    shape: AttentionShape,
    (q, k, v, dout): (&[f32], &[f32], &[f32], &[f32]),
    lens: &[usize],
    [dq, dk, dv]: [&mut [f32]; 3],
) {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "{heads} query heads share {kv_heads} key/value heads evenly"
    );
    let rows: usize = lens.iter().sum();
    let (wide, narrow) = (rows * heads * head_dim, rows * kv_heads * head_dim);
    assert_eq!([q.len(), dout.len(), dq.len()], [wide; 3], "{rows} rows of {heads} heads");
    assert_eq!([k.len(), v.len(), dk.len(), dv.len()], [narrow; 4], "{rows} rows of {kv_heads}");
    let [dq, dk, dv] = [dq, dk, dv].map(SharedMut::new);
    let gradients = Gradients { dq, dk, dv };
    let mut items = Vec::new();
    let mut first = 0;
    for &len in lens {
        items.extend((0..kv_heads).map(|kv_head| {
            let sequence = Sequence { shape, q, k, v, dout, first, len };
            Head { sequence, kv_head, gradients }
        }));
        first += len;
    }
    let work: usize = lens.iter().map(|len| len * len * heads * head_dim).sum();
    for_each(items.len(), Spread::for_work(2 * work), |i| level.run(&items[i]));
}
