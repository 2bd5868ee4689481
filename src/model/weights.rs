//! From a Hugging Face folder to a [`Decoder`]: every tensor checked for its shape, packed once.
//!
//! Tensors that the architecture does not name are left alone (old checkpoints carry rotary
//! buffers and tied heads).

use super::embedding::Embedding;
use super::head::Head;
use super::layer::Layer;
use super::linear::Linear;
use super::rotary::Rotary;
use super::{Decoder, Error, Result, Site, WeightFormat};
use candle_core::{Device, Tensor};
use formats::{Architecture, Checkpoint, ModelConfig, TensorView};
use half::bf16;
use half::slice::HalfFloatSliceExt;
use kernels::PackedMatrix;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

pub(super) fn load(dir: &Path, format: WeightFormat) -> Result<Decoder> {
    let config = ModelConfig::read(dir)?;
    let checkpoint = Checkpoint::open(dir)?;
    let loader = Loader { checkpoint: &checkpoint, config: &config, format };
    let shape = [config.vocab_size, config.hidden_size];
    let embedding = Arc::new(loader.matrix("model.embed_tokens.weight", shape)?);
    let head = if config.tie_word_embeddings {
        embedding.clone()
    } else {
        Arc::new(loader.matrix("lm_head.weight", shape)?)
    };
    let layers = (0..config.num_hidden_layers)
        .into_par_iter()
        .map(|index| loader.layer(index))
        .collect::<Result<_>>()?;
    let norm = loader.vector("model.norm.weight", config.hidden_size)?;
    Ok(Decoder {
        rotary: Rotary::new(&config),
        embedding: Embedding::Frozen(embedding),
        layers,
        norm,
        head: Head::Frozen(head),
        vars: Vec::new(),
        config,
    })
}

struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    config: &'a ModelConfig,
    format: WeightFormat,
}

impl Loader<'_> {
    fn layer(&self, index: usize) -> Result<Layer> {
        let config = self.config;
        let name = |part: &str| format!("model.layers.{index}.{part}.weight");
        let linears = Site::ALL
            .into_iter()
            .map(|site| self.linear(index, site))
            .collect::<Result<Vec<_>>>()?
            .try_into()
            .map_err(|_| Error::Batch("a layer has seven linears".into()))?;
        let qk_norms = if config.architecture == Architecture::Qwen3 {
            let q = self.vector(&name("self_attn.q_norm"), config.head_dim)?;
            Some([q, self.vector(&name("self_attn.k_norm"), config.head_dim)?])
        } else {
            None
        };
        let input_norm = self.vector(&name("input_layernorm"), config.hidden_size)?;
        let post = self.vector(&name("post_attention_layernorm"), config.hidden_size)?;
        Ok(Layer { index, input_norm, post_attention_norm: post, qk_norms, linears })
    }

    fn linear(&self, layer: usize, site: Site) -> Result<Linear> {
        let (n, k) = site.shape(self.config);
        let path = format!("model.layers.{layer}.{}", site.module_path());
        let weight = Arc::new(self.matrix(&format!("{path}.weight"), [n, k])?);
        let bias = if site.has_bias(self.config) {
            Some(Arc::new(self.checkpoint.require(&format!("{path}.bias"), &[n])?.to_f32()?))
        } else {
            None
        };
        Ok(Linear::Frozen { weight, bias })
    }

    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<PackedMatrix> {
        let view = self.checkpoint.require(name, &shape)?;
        let packed = pack(&view, self.format)?;
        // One copy: the packed one.
        self.checkpoint.release(name);
        Ok(packed)
    }

    fn vector(&self, name: &str, len: usize) -> Result<Tensor> {
        let values = self.checkpoint.require(name, &[len])?.to_f32()?;
        Ok(Tensor::from_vec(values, len, &Device::Cpu)?)
    }
}

fn pack(view: &TensorView, format: WeightFormat) -> Result<PackedMatrix> {
    let &[n, k] = view.shape else {
        return Err(Error::Batch(format!("tensor `{}` is not a matrix", view.name)));
    };
    match (format, view.as_bf16()) {
        (WeightFormat::Bf16, Some(values)) => Ok(PackedMatrix::pack_bf16(&values, n, k)),
        (WeightFormat::Bf16, None) => {
            let mut rounded = vec![bf16::ZERO; n * k];
            rounded.convert_from_f32_slice(&view.to_f32()?);
            Ok(PackedMatrix::pack_bf16(&rounded, n, k))
        }
        (WeightFormat::F32, _) => Ok(PackedMatrix::pack_f32(&view.to_f32()?, n, k)),
    }
}
