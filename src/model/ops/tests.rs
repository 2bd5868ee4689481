//! Every operation's backward pass against central finite differences of its forward pass.

use super::{
    Dropout, FreshAttention, FrozenLinear, FrozenLogProbs, LoraLinear, RmsNorm, Rope, SwiGlu,
    TrainedLinear, TrainedLogProbs,
};
use crate::model::rotary::RotaryRows;
use candle_core::{Device, Tensor, Var};
use kernels::{AttentionShape, PackedMatrix};
use std::sync::Arc;

/// Uniform in [-1, 1), from a documented generator: the tests need no random crate.
fn values(seed: u64, n: usize) -> Vec<f32> {
    (0..n as u64)
        .map(|i| (splitmix::first(seed * 1_000_003 + i) >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
        .collect()
}

fn tensor(seed: u64, shape: &[usize]) -> Tensor {
    let n = shape.iter().product();
    Tensor::from_vec(values(seed, n), shape, &Device::Cpu).unwrap()
}

fn packed(seed: u64, n: usize, k: usize) -> Arc<PackedMatrix> {
    Arc::new(PackedMatrix::pack_f32(&values(seed, n * k), n, k))
}

/// `sum(f(inputs) ∘ w)` for fixed random weights `w`, in f64.
fn objective(f: &dyn Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) -> f64 {
    let out: Vec<f32> = f(inputs).flatten_all().unwrap().to_vec1().unwrap();
    let weights = values(99, out.len());
    out.iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(b)).sum()
}

/// Compares the gradient of every input with central differences at a spread of elements.
fn check(inputs: Vec<Tensor>, f: impl Fn(&[Tensor]) -> Tensor) {
    let vars: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let out = f(&tracked);
    let weights =
        Tensor::from_vec(values(99, out.elem_count()), out.shape(), &Device::Cpu).unwrap();
    let grads = (out * weights).unwrap().sum_all().unwrap().backward().unwrap();
    for (which, (input, var)) in inputs.iter().zip(&vars).enumerate() {
        let grad: Vec<f32> =
            grads.get(var).expect("a gradient").flatten_all().unwrap().to_vec1().unwrap();
        let base: Vec<f32> = input.flatten_all().unwrap().to_vec1().unwrap();
        let scale = grad.iter().fold(0.1f32, |a, g| a.max(g.abs()));
        for at in (0..base.len()).step_by((base.len() / 23).max(1)) {
            let eps = 1e-2f32;
            let moved = |by: f32| {
                let mut data = base.clone();
                data[at] += by;
                let mut inputs = inputs.clone();
                inputs[which] = Tensor::from_vec(data, input.shape(), &Device::Cpu).unwrap();
                objective(&f, &inputs)
            };
            let expected = ((moved(eps) - moved(-eps)) / (2.0 * f64::from(eps))) as f32;
            let error = (grad[at] - expected).abs() / scale;
            assert!(error < 2e-3, "input {which} at {at}: {} against {expected}", grad[at]);
        }
    }
}

#[test]
fn frozen_linear() {
    let op = || FrozenLinear { weight: packed(1, 19, 13), bias: Some(Arc::new(values(2, 19))) };
    check(vec![tensor(3, &[5, 13])], |x| x[0].apply_op1(op()).unwrap());
}

#[test]
fn trained_linear() {
    let inputs = vec![tensor(1, &[5, 13]), tensor(2, &[19, 13])];
    check(inputs, |x| x[0].apply_op2(&x[1], TrainedLinear).unwrap());
}

#[test]
fn lora_linear_with_and_without_dropout() {
    for dropout in [None, Some(Dropout { p: 0.4, seed: 7 })] {
        let inputs = vec![tensor(1, &[6, 13]), tensor(2, &[4, 13]), tensor(3, &[19, 4])];
        check(inputs, |x| {
            let base = FrozenLinear { weight: packed(4, 19, 13), bias: None };
            x[0].apply_op3(&x[1], &x[2], LoraLinear { base, scale: 1.7, dropout }).unwrap()
        });
    }
}

#[test]
fn rms_norm() {
    let inputs = vec![tensor(1, &[4, 24]), tensor(2, &[8])];
    check(inputs, |x| x[0].apply_op2(&x[1], RmsNorm { eps: 1e-6, trained: true }).unwrap());
}

#[test]
fn rope() {
    let angles = values(5, 3 * 4);
    let angles = RotaryRows {
        cos: Arc::new(angles.iter().map(|a| a.cos()).collect()),
        sin: Arc::new(angles.iter().map(|a| a.sin()).collect()),
    };
    check(vec![tensor(1, &[3, 16])], |x| {
        x[0].apply_op1(Rope { heads: 2, head_dim: 8, angles: angles.clone() }).unwrap()
    });
}

#[test]
fn swiglu() {
    let inputs = vec![tensor(1, &[3, 17]), tensor(2, &[3, 17])];
    check(inputs, |x| x[0].apply_op2(&x[1], SwiGlu).unwrap());
}

#[test]
fn attention_of_packed_sequences() {
    let shape = || AttentionShape { heads: 4, kv_heads: 2, head_dim: 6, scale: 0.4 };
    let lens = [3, 35, 1];
    let inputs = vec![tensor(1, &[39, 24]), tensor(2, &[39, 12]), tensor(3, &[39, 12])];
    check(inputs, |x| {
        let op = FreshAttention { shape: shape(), lens: lens.to_vec() };
        x[0].apply_op3(&x[1], &x[2], op).unwrap()
    });
}

#[test]
fn log_probs_of_a_frozen_head() {
    let targets = vec![3, 0, 28, 7];
    check(vec![tensor(1, &[4, 12])], |h| {
        let op = FrozenLogProbs {
            head: packed(2, 29, 12),
            targets: targets.clone(),
            stats: Arc::default(),
            jacobian: h[0].track_op().then(Default::default),
        };
        h[0].apply_op1(op).unwrap()
    });
}

#[test]
fn log_probs_of_a_trained_head() {
    let targets = vec![3, 0, 28, 7];
    check(vec![tensor(1, &[4, 12]), tensor(2, &[29, 12])], |x| {
        let op = TrainedLogProbs { targets: targets.clone(), stats: Arc::default() };
        x[0].apply_op2(&x[1], op).unwrap()
    });
}

#[test]
fn dropout_keeps_the_mean_and_depends_on_its_seed() {
    let count = 20_000;
    let drop = |seed| {
        let mut ones = vec![1.0f32; count];
        Dropout { p: 0.3, seed }.apply(&mut ones);
        ones
    };
    let (a, b) = (drop(1), drop(2));
    let mean = a.iter().sum::<f32>() / count as f32;
    assert!((mean - 1.0).abs() < 0.02, "mean {mean}");
    assert_eq!(a, drop(1));
    assert_ne!(a, b);
}
