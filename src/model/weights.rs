//! From a model's files to a [`Decoder`]: every tensor checked for its shape, packed once.
//!
//! A layer that the configuration does not have is refused; other tensors that the architecture does
//! not name are left alone (old checkpoints carry rotary buffers and tied heads).

use super::embedding::Embedding;
use super::head::Head;
use super::layer::Layer;
use super::linear::Linear;
use super::rotary::Rotary;
use super::{Decoder, Error, ModelFiles, Result, Site, WeightFormat};
use candle_core::{Device, Tensor};
use formats::{Architecture, ModelConfig};
use kernels::PackedMatrix;
use rayon::prelude::*;
use std::sync::Arc;

pub(super) fn load(files: &ModelFiles, format: WeightFormat) -> Result<Decoder> {
    let config = files.config().clone();
    let unused = files.unused()?;
    let loader = Loader { files, config: &config, format };
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
        unused,
        config,
    })
}

struct Loader<'a> {
    files: &'a ModelFiles,
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
            Some(Arc::new(self.files.vector(&format!("{path}.bias"), n)?))
        } else {
            None
        };
        Ok(Linear::Frozen { weight, bias })
    }

    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<PackedMatrix> {
        Ok(self.files.matrix(name, shape, self.format)?)
    }

    fn vector(&self, name: &str, len: usize) -> Result<Tensor> {
        Ok(Tensor::from_vec(self.files.vector(name, len)?, len, &Device::Cpu)?)
    }
}
