//! The flags that say what is loaded and how large the engine may be: `serve` and `chat` share them.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::size;
use super::usage::{Usage, at_least_one, model_name};
use crate::adapters::check_name;
use crate::model::WeightFormat;

/// What to load.
#[derive(Debug, Clone, Args)]
pub(super) struct ModelArgs {
    /// The base: a folder in Hugging Face layout, a .gguf file, or a hub id such as
    /// Qwen/Qwen2.5-0.5B-Instruct
    #[arg(long, value_name = "PATH|HUB_ID", default_value = DEFAULT_MODEL)]
    pub(super) model: String,
    /// Load an adapter under a name (again for more), or fail; NAME alone means --adapter-dir/NAME
    #[arg(long, value_name = "NAME=PATH", value_parser = adapter_arg)]
    pub(super) adapter: Vec<AdapterArg>,
    /// Every adapter below this folder answers to its folder's name; what is loaded later comes from
    /// here too
    #[arg(long, value_name = "DIR", default_value = DEFAULT_ADAPTER_DIR)]
    pub(super) adapter_dir: PathBuf,
    /// The base's name [default: the last part of its path or hub id]
    #[arg(long, value_name = "NAME", value_parser = model_name)]
    pub(super) served_model_name: Option<String>,
    /// How the base's weights are held
    #[arg(long, value_enum, default_value = "bf16")]
    pub(super) weights: WeightFormat,
    /// How adapters' A and B are held: as their file has them, or rounded to half the memory
    #[arg(long, value_enum, default_value = "exact")]
    pub(super) adapter_weights: AdapterWeights,
    /// Where sampling defaults come from
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) generation_config: Defaults,
    /// Threads that compute [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,
    /// Most adapters loaded at the same time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub(super) max_adapters: usize,
    /// Most memory for adapters
    #[arg(long, value_name = "BYTES", default_value = "8GiB", value_parser = size::positive)]
    pub(super) max_adapter_memory: usize,
}

/// What is served when nothing is said: the bundled demo.
pub(super) const DEFAULT_MODEL: &str = "checkpoints/initial";

/// Where adapters are when nothing is said: beside the demo. It need not exist.
pub(super) const DEFAULT_ADAPTER_DIR: &str = "checkpoints";

/// How large the engine may be.
#[derive(Debug, Clone, Args)]
pub(super) struct EngineArgs {
    /// Requests that run at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub(super) max_num_seqs: usize,
    /// Tokens computed in one step [default: 256, or one for each running request]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(super) max_num_batched_tokens: Option<usize>,
    /// Tokens of prompt and answer together [default: what the model and the cache allow]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(super) max_model_len: Option<usize>,
    /// Memory for keys and values
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = size::parse)]
    pub(super) kv_cache_memory: usize,
    /// Requests that may wait; further ones are refused
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub(super) max_queue: usize,
    /// Keep prompts' keys and values for later requests that begin alike (the default)
    #[arg(long, overrides_with = "no_enable_prefix_caching")]
    pub(super) enable_prefix_caching: bool,
    /// Compute every prompt anew
    #[arg(long)]
    pub(super) no_enable_prefix_caching: bool,
}

impl ModelArgs {
    /// Refuses what the model need not be read for.
    ///
    /// # Errors
    /// [`Usage`] for an adapter folder that was named and is not there.
    pub(super) fn check(&self) -> Result<(), Usage> {
        let dir = &self.adapter_dir;
        if dir.is_dir() || dir.as_os_str() == DEFAULT_ADAPTER_DIR {
            return Ok(());
        }
        let dir = dir.display();
        Err(Usage(format!("--adapter-dir {dir} is no folder; make it, or name one that is there")))
    }
}

impl ValueEnum for WeightFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Bf16, Self::F32]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Bf16 => "16-bit brain floats",
            Self::F32 => "32-bit floats, for reference",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

/// Formats of adapters' products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AdapterWeights {
    /// As in the file: answers equal training's to the bit
    Exact,
    /// 16-bit brain floats: faster where many adapters stored in f32 share a batch
    Bf16,
}

/// Sources of sampling defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Defaults {
    /// The model's generation_config.json, where it has one
    Auto,
    /// OpenAI's: temperature 1, nothing cut off
    Openai,
}

/// `NAME=PATH` or `NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdapterArg {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
}

fn adapter_arg(text: &str) -> Result<AdapterArg, String> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name, Some(path)),
        None => (text, None),
    };
    if path == Some("") {
        return Err(format!("expected NAME=PATH, or the NAME of an adapter, found `{text}`"));
    }
    check_name(name).map_err(|error| error.to_string())?;
    Ok(AdapterArg { name: name.into(), path: path.map(PathBuf::from) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_named_paths_or_names() {
        let arg = |name: &str, path: Option<&str>| {
            Ok(AdapterArg { name: name.into(), path: path.map(PathBuf::from) })
        };
        assert_eq!(adapter_arg("a=x=y/z"), arg("a", Some("x=y/z")));
        assert_eq!(adapter_arg("a"), arg("a", None));
        for bad in ["=x", "a=", "a/b", "a,b=x", ""] {
            assert!(adapter_arg(bad).is_err(), "{bad}");
        }
    }
}
