//! One micro-batch through the model and back.
//!
//! With [`Memory::Recompute`] only the input of each layer is kept; the backward pass runs a layer
//! again from it and pulls the upstream gradient `g` through as the gradient of `sum(y ∘ g)`
//! (candle has no backward pass that starts from a given gradient). Recomputed layers see the same
//! dropout, so both modes give the same bits. Upstream gradients are detached: candle would
//! otherwise differentiate through them too.

use candle_core::{Tensor, Var, backprop::GradStore};

use super::batch::PackedBatch;
use super::error::TrainError;
use super::metrics::BatchStats;
use super::parameters::{Gradients, Parameters};
use crate::model::{Decoder, Kv, Pass, Step, Wear};

/// What a forward pass keeps for the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Everything: fastest, for small models.
    Keep,
    /// Each layer's input; the rest is computed again (gradient checkpointing).
    Recompute,
}

/// A model and the adapter it wears, run on one micro-batch.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The model.
    pub decoder: &'a Decoder,
    /// What every row wears.
    pub wear: Wear<'a>,
    /// The rows.
    pub batch: &'a PackedBatch,
}

impl<'a> Run<'a> {
    /// Adds the gradients of `weight · Σ -log p(label)` to `gradients`.
    ///
    /// # Errors
    /// When the batch does not fit the model.
    pub fn backward(
        &self,
        weight: f64,
        memory: Memory,
        (parameters, gradients): (&Parameters, &mut Gradients),
    ) -> Result<BatchStats, TrainError> {
        let step = self.step();
        let pass = self.decoder.pass(&step)?;
        let mut add = |found: &GradStore| gradients.add(parameters, found);
        match memory {
            Memory::Keep => self.backward_keeping(&pass, weight, &mut add),
            Memory::Recompute => self.backward_recomputing(&pass, weight, &mut add),
        }
    }

    /// Loss and statistics alone. Nothing is kept for a way back.
    ///
    /// # Errors
    /// When the batch does not fit the model.
    pub fn evaluate(&self) -> Result<BatchStats, TrainError> {
        let step = self.step();
        let pass = self.decoder.pass(&step)?;
        let mut x = pass.embed()?.detach();
        for index in 0..self.decoder.num_layers() {
            x = pass.layer(index, &x)?.detach();
        }
        Ok(self.loss(&pass, &x, 1.0)?.1)
    }

    fn step(&self) -> Step<'a> {
        Step {
            ids: &self.batch.ids,
            positions: &self.batch.positions,
            wear: self.wear,
            kv: Kv::Fresh { lens: &self.batch.lens },
        }
    }

    fn backward_keeping(
        &self,
        pass: &Pass,
        weight: f64,
        add: &mut dyn FnMut(&GradStore) -> Result<(), TrainError>,
    ) -> Result<BatchStats, TrainError> {
        let mut x = pass.embed()?;
        for index in 0..self.decoder.num_layers() {
            x = pass.layer(index, &x)?;
        }
        let (loss, stats) = self.loss(pass, &x, weight)?;
        add(&loss.backward()?)?;
        Ok(stats)
    }

    fn backward_recomputing(
        &self,
        pass: &Pass,
        weight: f64,
        add: &mut dyn FnMut(&GradStore) -> Result<(), TrainError>,
    ) -> Result<BatchStats, TrainError> {
        let mut inputs = vec![pass.embed()?.detach()];
        for index in 0..self.decoder.num_layers() {
            let y = pass.layer(index, &inputs[index])?.detach();
            inputs.push(y);
        }
        let mut input = Var::from_tensor(&inputs.remove(self.decoder.num_layers()))?;
        let (loss, stats) = self.loss(pass, &input, weight)?;
        let mut found = loss.backward()?;
        add(&found)?;
        for (index, x) in inputs.into_iter().enumerate().rev() {
            let upstream = upstream(&found, &input)?;
            input = Var::from_tensor(&x)?;
            found = pull_back(&pass.layer(index, &input)?, &upstream)?;
            add(&found)?;
        }
        let embedded = pass.embed()?;
        if embedded.track_op() {
            add(&pull_back(&embedded, &upstream(&found, &input)?)?)?;
        }
        Ok(stats)
    }

    /// `-weight · Σ log p(label)` over the labelled rows of the last layer's output; only these
    /// rows go through the norm and the head.
    fn loss(
        &self,
        pass: &Pass,
        x: &Tensor,
        weight: f64,
    ) -> Result<(Tensor, BatchStats), TrainError> {
        let rows = Tensor::new(self.batch.rows.as_slice(), x.device())?;
        let hidden = pass.final_norm(&x.index_select(&rows, 0)?)?;
        let scored = self.decoder.log_probs(&hidden, &self.batch.targets)?;
        let logps = scored.logps.detach().to_vec1::<f32>()?;
        let stats = BatchStats {
            loss: -logps.iter().map(|&l| f64::from(l)).sum::<f64>(),
            labels: logps.len(),
            correct: scored.correct,
            entropy: scored.entropy_sum,
            tokens: self.batch.ids.len(),
        };
        Ok(((scored.logps.sum_all()? * -weight)?, stats))
    }
}

/// The gradients of `y` weighted by `upstream`: a vector-Jacobian product.
fn pull_back(y: &Tensor, upstream: &Tensor) -> Result<GradStore, TrainError> {
    Ok((y * upstream)?.sum_all()?.backward()?)
}

fn upstream(found: &GradStore, input: &Var) -> Result<Tensor, TrainError> {
    let grad = found.get(input.as_tensor()).ok_or_else(|| {
        TrainError::Gradient(
            "no gradient reached the input of a layer; an operation of the model lacks a \
             backward pass"
                .to_owned(),
        )
    })?;
    Ok(grad.detach())
}
