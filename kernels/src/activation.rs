//! Element-wise kernels: SwiGLU forward and backward.

use crate::exp::exp;
use crate::level::Level;
use crate::parallel::{Spread, for_each_part};
use crate::simd::{Kernel, LANES, Simd};

/// Elements of one work item.
const CHUNK: usize = 1 << 14;

/// `out = gate * sigmoid(gate) * up`, element by element.
///
/// # Panics
/// When the slices differ in length.
pub fn swiglu(gate: &[f32], up: &[f32], out: &mut [f32]) {
    swiglu_at(Level::active(), gate, up, out);
}

fn swiglu_at(level: Level, gate: &[f32], up: &[f32], out: &mut [f32]) {
    assert_eq!(gate.len(), up.len(), "gate and up have one length");
    assert_eq!(gate.len(), out.len(), "gate and output have one length");
    let run = |gate: &[f32], up: &[f32], out: &mut [f32]| level.run(Swiglu { gate, up, out });
    let inputs = gate.chunks(CHUNK).zip(up.chunks(CHUNK));
    let parts = inputs.zip(out.chunks_mut(CHUNK));
    let spread = Spread::for_work(gate.len() * 8);
    for_each_part(parts, spread, |((gate, up), out)| run(gate, up, out));
}

/// The gradients of [`swiglu`], overwriting `dgate` and `dup`; with `s = sigmoid(gate)`:
/// `dup = dout * gate * s` and `dgate = dout * up * s * (1 + gate * (1 - s))`.
///
/// # Panics
/// When the slices differ in length.
pub fn swiglu_backward(gate: &[f32], up: &[f32], dout: &[f32], dgate: &mut [f32], dup: &mut [f32]) {
    swiglu_backward_at(Level::active(), (gate, up), dout, (dgate, dup));
}

fn swiglu_backward_at(
    level: Level,
    (gate, up): (&[f32], &[f32]),
    dout: &[f32],
    (dgate, dup): (&mut [f32], &mut [f32]),
) {
    let lengths = [up.len(), dout.len(), dgate.len(), dup.len()];
    assert_eq!(lengths, [gate.len(); 4], "all slices have one length");
    let run = |gate: &[f32], up: &[f32], dout: &[f32], dgate: &mut [f32], dup: &mut [f32]| {
        level.run(SwigluBackward { gate, up, dout, dgate, dup });
    };
    let inputs = gate.chunks(CHUNK).zip(up.chunks(CHUNK)).zip(dout.chunks(CHUNK));
    let parts = inputs.zip(dgate.chunks_mut(CHUNK).zip(dup.chunks_mut(CHUNK)));
    let spread = Spread::for_work(gate.len() * 8);
    for_each_part(parts, spread, |(((gate, up), dout), (dgate, dup))| {
        run(gate, up, dout, dgate, dup);
    });
}

struct Swiglu<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Swiglu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let one = s.splat(1.0);
        for at in (0..self.gate.len()).step_by(LANES) {
            let gate = s.read(self.gate, at);
            let silu = s.div(gate, s.add(one, exp(s, s.sub(s.splat(0.0), gate))));
            s.write(self.out, at, s.mul(silu, s.read(self.up, at)));
        }
    }
}

struct SwigluBackward<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    dout: &'a [f32],
    dgate: &'a mut [f32],
    dup: &'a mut [f32],
}

impl Kernel for SwigluBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let one = s.splat(1.0);
        for at in (0..self.gate.len()).step_by(LANES) {
            let (gate, dout) = (s.read(self.gate, at), s.read(self.dout, at));
            let sigmoid = s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), gate))));
            s.write(self.dup, at, s.mul(dout, s.mul(gate, sigmoid)));
            let slope = s.mul(sigmoid, s.fma(gate, s.sub(one, sigmoid), one));
            s.write(self.dgate, at, s.mul(s.mul(dout, s.read(self.up, at)), slope));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, assert_close, assert_gradient};

    fn naive(gate: &[f64], up: &[f64]) -> Vec<f64> {
        gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect()
    }

    fn wide(x: &[f32]) -> Vec<f64> {
        x.iter().map(|&x| f64::from(x)).collect()
    }

    #[test]
    fn swiglu_equals_the_formula_and_its_ends() {
        for level in Level::supported() {
            for len in [1, 16, 33, 100_000] {
                let mut random = Random::new(len as u64);
                let gate: Vec<f32> = random.floats(len).iter().map(|x| x * 6.0).collect();
                let up = random.floats(len);
                let mut out = vec![0.0; len];
                swiglu_at(level, &gate, &up, &mut out);
                assert_close(&out, &naive(&wide(&gate), &wide(&up)), 2e-6);
            }
            let mut out = [9.0; 2];
            swiglu_at(level, &[-200.0, 200.0], &[1.0, 2.0], &mut out);
            assert_eq!(out, [0.0, 400.0]);
        }
    }

    #[test]
    fn swiglu_gradients_equal_finite_differences() {
        for level in Level::supported() {
            let mut random = Random::new(2);
            let (gate, up, dout) = (random.floats(37), random.floats(37), random.floats(37));
            let (mut dgate, mut dup) = (vec![9.0; 37], vec![9.0; 37]);
            swiglu_backward_at(level, (&gate, &up), &dout, (&mut dgate, &mut dup));
            assert_gradient(&gate, &dout, &dgate, |gate| naive(gate, &wide(&up)));
            assert_gradient(&up, &dout, &dup, |up| naive(&wide(&gate), up));
        }
    }
}
