//! What is trained: named candle variables, and gradients of them as flat f32 vectors.

use candle_core::{Tensor, Var, backprop::GradStore};

use super::adamw::{AdamW, Update};
use super::error::TrainError;
use crate::model::slice_of;

/// One trainable tensor.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// The name it has on disk.
    pub name: String,
    /// Its values, f32.
    pub var: Var,
    /// Whether weight decay applies to it.
    pub decay: bool,
}

/// Every trainable tensor of a run, in one fixed order.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    entries: Vec<Parameter>,
}

impl Parameters {
    /// Takes variables with their names on disk; norms and biases are exempt from weight decay,
    /// by the rule of the HF Trainer (a name that holds `bias` or a norm).
    pub fn new(named: impl IntoIterator<Item = (String, Var)>) -> Self {
        let entries = named
            .into_iter()
            .map(|(name, var)| Parameter { decay: decays(&name), name, var })
            .collect();
        Self { entries }
    }

    /// The parameters in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Parameter> {
        self.entries.iter()
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is trained.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Elements of each tensor, in order.
    pub fn lengths(&self) -> Vec<usize> {
        self.entries.iter().map(|p| p.var.elem_count()).collect()
    }

    /// How many numbers are trained in all.
    pub fn count(&self) -> usize {
        self.lengths().iter().sum()
    }

    /// Copies the values of every parameter out, flat.
    pub fn values(&self) -> Result<Vec<Vec<f32>>, TrainError> {
        self.entries.iter().map(|p| flat(&p.var)).collect()
    }

    /// Sets one parameter; `values` must have its length.
    pub fn set(&self, index: usize, values: Vec<f32>) -> Result<(), TrainError> {
        let var = &self.entries[index].var;
        var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
        Ok(())
    }

    /// Takes one optimizer step with learning rate `lr`.
    pub fn update(
        &self,
        optimizer: &mut AdamW,
        lr: f64,
        gradients: &Gradients,
    ) -> Result<(), TrainError> {
        let mut values = self.values()?;
        let mut updates: Vec<Update> = values
            .iter_mut()
            .zip(&gradients.flat)
            .zip(&self.entries)
            .map(|((param, grad), entry)| Update { param, grad, decay: entry.decay })
            .collect();
        optimizer.step(lr, &mut updates);
        for (index, values) in values.into_iter().enumerate() {
            self.set(index, values)?;
        }
        Ok(())
    }
}

fn decays(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.contains("bias") && !name.contains("norm")
}

fn flat(tensor: &Tensor) -> Result<Vec<f32>, TrainError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// Gradients summed over the micro-batches of one optimizer step, in the order of [`Parameters`].
#[derive(Debug, Clone)]
pub struct Gradients {
    /// One flat vector a parameter.
    pub flat: Vec<Vec<f32>>,
    /// Whether any backward pass reached the parameter at all.
    reached: Vec<bool>,
}

impl Gradients {
    /// All zero, nothing reached yet.
    pub fn zeros(parameters: &Parameters) -> Self {
        let flat = parameters.lengths().into_iter().map(|len| vec![0.0; len]).collect();
        Self { flat, reached: vec![false; parameters.len()] }
    }

    /// Adds what one backward pass found.
    pub fn add(&mut self, parameters: &Parameters, found: &GradStore) -> Result<(), TrainError> {
        for (index, parameter) in parameters.iter().enumerate() {
            let Some(grad) = found.get(parameter.var.as_tensor()) else { continue };
            self.reached[index] = true;
            add_tensor(&mut self.flat[index], &grad.detach())?;
        }
        Ok(())
    }

    /// Adds another micro-batch's gradients.
    pub fn merge(&mut self, other: &Self) {
        for (sum, part) in self.flat.iter_mut().zip(&other.flat) {
            for (sum, g) in sum.iter_mut().zip(part) {
                *sum += g;
            }
        }
        for (reached, also) in self.reached.iter_mut().zip(&other.reached) {
            *reached |= also;
        }
    }

    /// Whether any backward pass reached parameter `index`.
    pub fn reached(&self, index: usize) -> bool {
        self.reached[index]
    }
}

fn add_tensor(sum: &mut [f32], grad: &Tensor) -> Result<(), TrainError> {
    let add = |grad: &[f32]| sum.iter_mut().zip(grad).for_each(|(sum, g)| *sum += g);
    Ok(slice_of(&grad.contiguous()?, add)?)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::super::adamw::AdamWConfig;
    use super::*;

    fn parameters() -> Parameters {
        let var = |n: usize| Var::ones((n, 2), DType::F32, &Device::Cpu).unwrap();
        Parameters::new([
            ("model.layers.0.mlp.up_proj.weight".to_owned(), var(3)),
            ("model.norm.weight".to_owned(), var(1)),
            ("model.layers.0.self_attn.q_proj.bias".to_owned(), var(2)),
        ])
    }

    #[test]
    fn norms_and_biases_do_not_decay() {
        let decay: Vec<bool> = parameters().iter().map(|p| p.decay).collect();
        assert_eq!(decay, [true, false, false]);
    }

    #[test]
    fn sums_gradients_and_knows_what_was_reached() {
        let parameters = parameters();
        let mut gradients = Gradients::zeros(&parameters);
        let var = &parameters.entries[0].var;
        for _ in 0..2 {
            let loss = (var.as_tensor() * 3.0).unwrap().sum_all().unwrap();
            gradients.add(&parameters, &loss.backward().unwrap()).unwrap();
        }
        assert_eq!(gradients.flat[0], vec![6.0; 6]);
        assert!(gradients.reached(0) && !gradients.reached(1));
    }

    #[test]
    fn an_update_changes_the_variable_itself() {
        let parameters = parameters();
        let config = AdamWConfig { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.0 };
        let mut optimizer = AdamW::new(config, parameters.lengths());
        let mut gradients = Gradients::zeros(&parameters);
        gradients.flat[0] = vec![1.0; 6];
        let seen_elsewhere = parameters.entries[0].var.as_tensor().clone();
        parameters.update(&mut optimizer, 0.5, &gradients).unwrap();
        let values = seen_elsewhere.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(values.iter().all(|v| (v - 0.5).abs() < 1e-6), "{values:?}");
    }
}
