//! The LoRA matrices of a run: fresh or continued, as candle variables and as PEFT files.
//!
//! Fresh A is PEFT's `kaiming_uniform_(a=√5)`, that is uniform in ±1/√in; fresh B is zero, so the
//! adapter begins as no change at all. DoRA, trained biases and modules to save are refused.

use std::path::Path;

use candle_core::{Device, Tensor, Var};
use formats::peft::{AdapterConfig, Bias, TargetModules, open_tensors};
use formats::{Dtype, ModelConfig, SafetensorsFile};

use super::checkpoint::write_json;
use super::error::TrainError;
use super::parameters::{Parameter, Parameters};
use super::random::{Purpose, Stream, derive};
use super::subject::Place;
use super::tensors::write_parameters;
use crate::model::{Dropout, LoraVars, Site, TrainableAdapter};

/// The file that holds A and B of every site.
pub const WEIGHTS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";

/// An adapter in training.
#[derive(Debug)]
pub struct LoraAdapter {
    config: AdapterConfig,
    seed: u64,
    parameters: Parameters,
    /// For each layer and site, where its A lies in `parameters` (B follows) and its scale.
    layers: Vec<[Option<Pair>; 7]>,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    a: usize,
    scale: f32,
}

impl LoraAdapter {
    /// A fresh adapter with `config`'s ranks and targets for a base of this shape.
    ///
    /// # Errors
    /// When a target is no linear of the base, or `config` asks for more than plain LoRA.
    pub fn fresh(config: AdapterConfig, base: &ModelConfig, seed: u64) -> Result<Self, TrainError> {
        refuse_unknown_targets(&config, base)?;
        let mut stream = Stream::new(seed, Purpose::Init, &[]);
        Self::build(config, base, seed, |_, (rank, n, k)| {
            let bound = 1.0 / (k as f32).sqrt();
            let a = (0..rank * k).map(|_| (2.0 * stream.uniform() - 1.0) * bound).collect();
            Ok((a, vec![0.0; n * rank]))
        })
    }

    /// Goes on from an adapter folder as PEFT writes it, on the base called `base_name`.
    ///
    /// # Errors
    /// When the folder is no plain LoRA adapter of this base.
    pub fn continued(
        dir: &Path,
        base_name: String,
        base: &ModelConfig,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let base_model_name_or_path = Some(base_name);
        let config = AdapterConfig { base_model_name_or_path, ..AdapterConfig::read(dir)? };
        let file = open_tensors(dir)?;
        let adapter = Self::build(config, base, seed, |module, (rank, n, k)| {
            let read = |part: &str, shape: [usize; 2]| -> Result<Vec<f32>, TrainError> {
                let name = tensor_name(module, part);
                let values = file.require(&name, &shape)?.to_f32()?;
                finite(&name, &values, dir).map(|()| values)
            };
            Ok((read("lora_A", [rank, k])?, read("lora_B", [n, rank])?))
        })?;
        adapter.refuse_unused(&file, dir)?;
        Ok(adapter)
    }

    fn build(
        config: AdapterConfig,
        base: &ModelConfig,
        seed: u64,
        mut start: impl FnMut(&str, (usize, usize, usize)) -> Result<(Vec<f32>, Vec<f32>), TrainError>,
    ) -> Result<Self, TrainError> {
        refuse_beyond_lora(&config)?;
        let (mut named, mut layers) = (Vec::new(), Vec::new());
        for layer in 0..base.num_hidden_layers {
            let mut sites = [None; 7];
            for site in Site::ALL {
                let module = format!("model.layers.{layer}.{}", site.module_path());
                if !config.targets(&module) {
                    continue;
                }
                let (rank, (n, k)) = (config.rank_for(&module), site.shape(base));
                let (a, b) = start(&module, (rank, n, k))?;
                let scale = config.scale_for(&module) as f32;
                sites[site as usize] = Some(Pair { a: named.len(), scale });
                let var = |v: Vec<f32>, shape| Var::from_vec(v, shape, &Device::Cpu);
                named.push((tensor_name(&module, "lora_A"), var(a, (rank, k))?));
                named.push((tensor_name(&module, "lora_B"), var(b, (n, rank))?));
            }
            layers.push(sites);
        }
        if named.is_empty() {
            return Err(no_linear("target_modules names no linear layer of this model"));
        }
        Ok(Self { config, seed, parameters: Parameters::new(named), layers })
    }

    /// Every tensor of a continued adapter must be one that is trained on.
    fn refuse_unused(&self, file: &SafetensorsFile, dir: &Path) -> Result<(), TrainError> {
        let known = |name: &str| self.parameters.iter().any(|p| p.name == name);
        let Some(unused) = file.names().find(|name| !known(name)) else { return Ok(()) };
        Err(TrainError::Setting(format!(
            "{}: tensor `{unused}` has no place in this base as a trainable A or B; go on from a \
             plain LoRA adapter of this base",
            dir.display()
        )))
    }

    /// A and B of every site.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The configuration that is written.
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }

    /// The adapter as a forward pass wears it.
    pub fn worn(&self, place: Place) -> TrainableAdapter {
        let tensors: Vec<Tensor> = self.parameters.iter().map(|p| tracked(&p.var, place)).collect();
        let site = |layer: usize, site: usize, pair: Pair| LoraVars {
            a: tensors[pair.a].clone(),
            b: tensors[pair.a + 1].clone(),
            scale: pair.scale,
            dropout: self.dropout(place, layer, site),
        };
        let layer = |(layer, pairs): (usize, &[Option<Pair>; 7])| {
            std::array::from_fn(|index| pairs[index].map(|pair| site(layer, index, pair)))
        };
        TrainableAdapter { layers: self.layers.iter().enumerate().map(layer).collect() }
    }

    fn dropout(&self, place: Place, layer: usize, site: usize) -> Option<Dropout> {
        let Place::Training { step, micro_batch } = place else { return None };
        let p = self.config.dropout as f32;
        let place = [step, micro_batch, layer as u64, site as u64];
        (p > 0.0).then(|| Dropout { p, seed: derive(self.seed, Purpose::Dropout, &place) })
    }

    /// Refuses an adapter that would answer as the base does.
    ///
    /// # Errors
    /// When every B is zero.
    pub fn check_effect(&self) -> Result<(), TrainError> {
        let values = self.parameters.values()?;
        let moved = |(parameter, values): (&Parameter, &Vec<f32>)| {
            parameter.name.contains("lora_B") && values.iter().any(|&value| value != 0.0)
        };
        if self.parameters.iter().zip(&values).any(moved) {
            return Ok(());
        }
        Err(TrainError::Gradient(
            "nothing was trained: every lora_B is zero, so the model would answer as the base does; \
             raise learning_rate or train for more steps"
                .to_owned(),
        ))
    }

    /// Writes `adapter_model.safetensors`, then `adapter_config.json`: an adapter folder is found by
    /// its configuration, so that file comes last.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), TrainError> {
        write_parameters(&dir.join(WEIGHTS), &self.parameters, Dtype::F32)?;
        write_json(&dir.join(CONFIG), &self.config.to_json())
    }
}

/// A run cannot go on from what has blown up.
fn finite(name: &str, values: &[f32], dir: &Path) -> Result<(), TrainError> {
    let Some(value) = values.iter().find(|value| !value.is_finite()) else { return Ok(()) };
    Err(TrainError::Setting(format!(
        "{}: tensor `{name}` holds {value}, expected finite numbers; go on from an earlier checkpoint \
         of its run",
        dir.display()
    )))
}

/// The name that PEFT gives a matrix on disk; `part` is `lora_A` or `lora_B`.
fn tensor_name(module: &str, part: &str) -> String {
    format!("base_model.model.{module}.{part}.weight")
}

fn tracked(var: &Var, place: Place) -> Tensor {
    match place {
        Place::Training { .. } => var.as_tensor().clone(),
        Place::Evaluation => var.as_detached_tensor(),
    }
}

/// Every name that the user gives must be of use: a misspelt one would go untrained without a word.
fn refuse_unknown_targets(config: &AdapterConfig, base: &ModelConfig) -> Result<(), TrainError> {
    let TargetModules::List(names) = &config.target_modules else { return Ok(()) };
    for name in names {
        let alone = AdapterConfig::new(1, 1.0, TargetModules::List(vec![name.clone()]));
        let mut modules = (0..base.num_hidden_layers).flat_map(|layer| {
            Site::ALL.map(|site| format!("model.layers.{layer}.{}", site.module_path()))
        });
        if !modules.any(|module| alone.targets(&module)) {
            let what = format!("target_modules names `{name}`, no linear layer of this model");
            return Err(no_linear(&what));
        }
    }
    Ok(())
}

fn no_linear(what: &str) -> TrainError {
    TrainError::Setting(format!(
        "{what}; expected some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, or \
         all-linear"
    ))
}

fn refuse_beyond_lora(config: &AdapterConfig) -> Result<(), TrainError> {
    let refused = [
        (config.use_dora, "DoRA (use_dora)"),
        (config.lora_bias, "a bias on B (lora_bias)"),
        (config.bias != Bias::None, "trained biases (bias)"),
        (!config.modules_to_save.is_empty(), "whole modules (modules_to_save)"),
    ];
    let Some((_, what)) = refused.into_iter().find(|(asked, _)| *asked) else { return Ok(()) };
    Err(TrainError::Setting(format!(
        "training {what} is not supported; train a plain or rank-stabilised LoRA"
    )))
}

#[cfg(test)]
mod tests {
    use formats::{Architecture, Rope};

    use super::*;

    fn base() -> ModelConfig {
        ModelConfig {
            architecture: Architecture::Llama,
            vocab_size: 10,
            hidden_size: 8,
            intermediate_size: 12,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            num_key_value_heads: 1,
            head_dim: 4,
            max_position_embeddings: 16,
            rms_norm_eps: 1e-6,
            rope: Rope::plain(1e4),
            tie_word_embeddings: true,
            qkv_bias: false,
            o_bias: false,
            mlp_bias: false,
            initializer_range: 0.02,
            dtype: None,
            bos_token_id: None,
            eos_token_ids: vec![],
            pad_token_id: None,
        }
    }

    fn targets(names: &[&str]) -> AdapterConfig {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        AdapterConfig::new(3, 6.0, TargetModules::List(names))
    }

    #[test]
    fn fresh_matrices_are_uniform_and_zero() {
        let adapter = LoraAdapter::fresh(targets(&["q_proj", "down_proj"]), &base(), 1).unwrap();
        let names: Vec<&str> = adapter.parameters().iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names.len(), 8);
        assert_eq!(names[0], "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
        for (parameter, values) in
            adapter.parameters().iter().zip(adapter.parameters().values().unwrap())
        {
            if parameter.name.contains("lora_B") {
                assert!(values.iter().all(|&v| v == 0.0));
            } else {
                let bound = 1.0 / (parameter.var.dims()[1] as f32).sqrt();
                assert!(values.iter().all(|v| v.abs() <= bound));
                assert!(values.iter().any(|v| v.abs() > bound / 2.0));
            }
        }
    }

    #[test]
    fn an_adapter_that_learned_nothing_is_told_from_one_that_did() {
        let adapter = LoraAdapter::fresh(targets(&["q_proj"]), &base(), 1).unwrap();
        let error = adapter.check_effect().unwrap_err().to_string();
        assert!(error.starts_with("nothing was trained: every lora_B is zero"), "{error}");
        let mut b = adapter.parameters().values().unwrap().swap_remove(3);
        b[0] = 1e-6;
        adapter.parameters().set(3, b).unwrap();
        adapter.check_effect().unwrap();
    }

    #[test]
    fn a_written_adapter_is_gone_on_from() {
        let dir = tempfile::tempdir().unwrap();
        let adapter = LoraAdapter::fresh(targets(&["o_proj"]), &base(), 1).unwrap();
        adapter.write(dir.path()).unwrap();
        let again = LoraAdapter::continued(dir.path(), "b".to_owned(), &base(), 9).unwrap();
        let values = |adapter: &LoraAdapter| adapter.parameters().values().unwrap();
        assert_eq!(values(&again), values(&adapter));
        assert_eq!(again.config().base_model_name_or_path.as_deref(), Some("b"));
        let other = ModelConfig { hidden_size: 16, ..base() };
        assert!(LoraAdapter::continued(dir.path(), String::new(), &other, 9).is_err());
        let smaller = ModelConfig { num_hidden_layers: 1, ..base() };
        let error = LoraAdapter::continued(dir.path(), String::new(), &smaller, 9).unwrap_err();
        assert!(error.to_string().contains("has no place in this base"), "{error}");
    }

    #[test]
    fn dropout_differs_by_place_and_is_off_in_evaluation() {
        let config = AdapterConfig { dropout: 0.5, ..targets(&["q_proj", "k_proj"]) };
        let adapter = LoraAdapter::fresh(config, &base(), 1).unwrap();
        let seeds = |step, micro_batch| {
            let worn = adapter.worn(Place::Training { step, micro_batch });
            let vars = worn.layers.into_iter().flatten().flatten();
            vars.map(|v| v.dropout.unwrap().seed).collect::<Vec<_>>()
        };
        let mut all = [seeds(0, 0), seeds(0, 1), seeds(1, 0)].concat();
        assert_eq!(seeds(0, 0), seeds(0, 0));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 12);
        let evaluated = adapter.worn(Place::Evaluation);
        assert!(evaluated.layers.iter().flatten().flatten().all(|v| v.dropout.is_none()));
    }

    #[test]
    fn what_is_not_plain_lora_or_names_nothing_is_refused() {
        let dora = AdapterConfig { use_dora: true, ..targets(&["q_proj"]) };
        assert!(LoraAdapter::fresh(dora, &base(), 1).unwrap_err().to_string().contains("DoRA"));
        for names in [&["c_attn"][..], &["q_proj", "c_attn"], &["layers.2.mlp.up_proj"]] {
            let error = LoraAdapter::fresh(targets(names), &base(), 1).unwrap_err();
            assert!(error.to_string().contains("no linear layer of this model"), "{error}");
        }
        LoraAdapter::fresh(targets(&["layers.1.mlp.up_proj"]), &base(), 1).unwrap();
        LoraAdapter::fresh(targets(&[]), &base(), 1).unwrap_err();
    }
}
