//! A decoder whose every parameter is trained, with fresh random weights.
//!
//! The initialisation is GPT-2's (Radford et al. 2019): normal(0, std), with the two
//! projections that write into the residual stream scaled by `1 / sqrt(2 · layers)`; norms 1.

use super::embedding::Embedding;
use super::head::Head;
use super::layer::Layer;
use super::linear::Linear;
use super::rotary::Rotary;
use super::{Decoder, Error, Result, Site};
use candle_core::{Device, Tensor, Var};
use formats::{Architecture, ModelConfig};

/// How fresh weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InitConfig {
    /// Decides every weight.
    pub seed: u64,
    /// Standard deviation of the normal distribution, 0.02 as a rule.
    pub std: f32,
}

impl Decoder {
    /// A decoder to be trained from scratch.
    ///
    /// # Errors
    /// When the configuration asks for biases, which only loaded models have.
    pub fn trainable(config: ModelConfig, init: InitConfig) -> Result<Self> {
        if config.qkv_bias || config.o_bias || config.mlp_bias {
            return Err(Error::Batch("a model trained from scratch has no biases".into()));
        }
        let mut maker = Maker { init, vars: Vec::new() };
        let shape = (config.vocab_size, config.hidden_size);
        let embed = maker.normal("model.embed_tokens.weight".into(), shape, init.std)?;
        let layers = (0..config.num_hidden_layers)
            .map(|index| maker.layer(&config, index))
            .collect::<Result<_>>()?;
        let norm = maker.ones("model.norm.weight".into(), config.hidden_size)?;
        let head = if config.tie_word_embeddings {
            embed.clone()
        } else {
            maker.normal("lm_head.weight".into(), shape, init.std)?
        };
        Ok(Decoder {
            rotary: Rotary::new(&config),
            config,
            embedding: Embedding::Trained(embed),
            layers,
            norm,
            head: Head::Trained(head),
            vars: maker.vars,
            unused: Vec::new(),
        })
    }
}

struct Maker {
    init: InitConfig,
    vars: Vec<(String, Var)>,
}

impl Maker {
    fn layer(&mut self, config: &ModelConfig, index: usize) -> Result<Layer> {
        let residual = self.init.std / ((2 * config.num_hidden_layers) as f32).sqrt();
        let name = |part: &str| format!("model.layers.{index}.{part}.weight");
        let mut linears = Vec::with_capacity(Site::ALL.len());
        for site in Site::ALL {
            let std = match site {
                Site::O | Site::Down => residual,
                Site::Q | Site::K | Site::V | Site::Gate | Site::Up => self.init.std,
            };
            let weight = self.normal(name(site.module_path()), site.shape(config), std)?;
            linears.push(Linear::Trained { weight });
        }
        let qk_norms = if config.architecture == Architecture::Qwen3 {
            let q = self.ones(name("self_attn.q_norm"), config.head_dim)?;
            Some([q, self.ones(name("self_attn.k_norm"), config.head_dim)?])
        } else {
            None
        };
        let input_norm = self.ones(name("input_layernorm"), config.hidden_size)?;
        let post = self.ones(name("post_attention_layernorm"), config.hidden_size)?;
        let linears =
            linears.try_into().map_err(|_| Error::Batch("a layer has seven linears".into()))?;
        Ok(Layer { index, input_norm, post_attention_norm: post, qk_norms, linears })
    }

    fn keep(&mut self, name: String, values: Tensor) -> Result<Tensor> {
        let var = Var::from_tensor(&values)?;
        let tensor = var.as_tensor().clone();
        self.vars.push((name, var));
        Ok(tensor)
    }

    fn ones(&mut self, name: String, len: usize) -> Result<Tensor> {
        self.keep(name, Tensor::from_vec(vec![1.0f32; len], len, &Device::Cpu)?)
    }

    fn normal(&mut self, name: String, shape: (usize, usize), std: f32) -> Result<Tensor> {
        let stream = self.init.seed ^ (self.vars.len() as u64).wrapping_mul(0xA076_1D64_78BD_642F);
        let values = normal_values(stream, shape.0 * shape.1, std);
        self.keep(name, Tensor::from_vec(values, shape, &Device::Cpu)?)
    }
}

/// Normal draws by Box and Muller's transform of a SplitMix64 stream.
fn normal_values(seed: u64, n: usize, std: f32) -> Vec<f32> {
    let uniform = |i: usize| {
        let bits = splitmix::first(seed.wrapping_add((i as u64) << 1));
        ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let draw = |i: usize| {
        let (u, v) = (uniform(2 * i), uniform(2 * i + 1));
        let radius = (-2.0 * u.ln()).sqrt();
        (radius * (2.0 * std::f64::consts::PI * v).cos()) as f32 * std
    };
    (0..n).map(draw).collect()
}
