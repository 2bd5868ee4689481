//! Random LoRA adapters in PEFT layout, on every linear of a model, with a change that is felt.

use super::random::Random;
use crate::model::Site;
use anyhow::Result;
use formats::peft::{AdapterConfig, TargetModules};
use formats::{Dtype, ModelConfig, whole};
use half::bf16;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// How an adapter file stores its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum AdapterDtype {
    /// Four bytes a weight, as PEFT trains and saves them.
    F32,
    /// Two bytes a weight.
    Bf16,
}

impl AdapterDtype {
    /// The name in figures and conditions.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// An adapter to be made.
#[derive(Debug, Clone)]
pub(super) struct RandomAdapter {
    pub(super) rank: usize,
    pub(super) dtype: AdapterDtype,
    /// Decides every weight.
    pub(super) seed: u64,
    /// What `base_model_name_or_path` says.
    pub(super) base: String,
}

impl RandomAdapter {
    /// Writes the adapter's folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn write(&self, dir: &Path, model: &ModelConfig) -> Result<()> {
        fs_err::create_dir_all(dir)?;
        let names = Site::ALL.map(|site| site.name().to_owned());
        let mut config = AdapterConfig::new(
            self.rank,
            2.0 * self.rank as f64,
            TargetModules::List(names.to_vec()),
        );
        config.base_model_name_or_path = Some(self.base.clone());
        let json = serde_json::to_vec_pretty(&config.to_json())?;
        whole::write_file(&dir.join("adapter_config.json"), &json)?;
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        let path = dir.join("adapter_model.safetensors");
        formats::write_safetensors(&path, &self.tensors(model), &metadata)?;
        Ok(())
    }

    fn tensors(&self, model: &ModelConfig) -> Vec<formats::NamedTensor<'static>> {
        let mut tensors = Vec::new();
        for layer in 0..model.num_hidden_layers {
            for site in Site::ALL {
                let (n, k) = site.shape(model);
                let path = format!("base_model.model.model.layers.{layer}.{}", site.module_path());
                // A as Kaiming's initialisation leaves it, B as after some hundred steps.
                let a_deviation = (3.0 * k as f32).sqrt().recip();
                tensors.push(self.tensor(
                    format!("{path}.lora_A.weight"),
                    [self.rank, k],
                    a_deviation,
                ));
                tensors.push(self.tensor(format!("{path}.lora_B.weight"), [n, self.rank], 0.01));
            }
        }
        tensors
    }

    fn tensor(
        &self,
        name: String,
        shape: [usize; 2],
        deviation: f32,
    ) -> formats::NamedTensor<'static> {
        let mut random = Random::named(self.seed, &name);
        let mut bytes = Vec::new();
        for _ in 0..shape.iter().product() {
            let value = deviation * random.normal();
            match self.dtype {
                AdapterDtype::F32 => bytes.extend_from_slice(&value.to_le_bytes()),
                AdapterDtype::Bf16 => {
                    bytes.extend_from_slice(&bf16::from_f32(value).to_le_bytes());
                }
            }
        }
        let dtype = match self.dtype {
            AdapterDtype::F32 => Dtype::F32,
            AdapterDtype::Bf16 => Dtype::BF16,
        };
        (name, dtype, shape.to_vec(), Cow::Owned(bytes))
    }
}
