//! From flags to a running engine: find the model, read it, load its adapters, start the thread.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use formats::{GenerationConfig, ModelConfig};

use super::hub::{self, HubConfig};
use super::memory;
use super::model_args::{AdapterWeights, DEFAULT_MODEL, Defaults, EngineArgs, ModelArgs};
use super::usage::Usage;
use crate::adapters::{BaseInfo, Generation, Limits, LoadPolicy, Precision, Registry};
use crate::api::{SamplingDefaults, Served};
use crate::engine::{self, ConfigError, EngineConfig, KvMemory, ModelLimits, Setting};
use crate::model::{Decoder, ModelFiles, Tokenizer};

/// A model that answers.
pub(super) struct Loaded {
    pub(super) served: Served,
    pub(super) defaults: SamplingDefaults,
}

/// Loads what the flags say.
pub(super) fn load(model: &ModelArgs, engine: &EngineArgs) -> Result<Loaded> {
    model.check()?;
    check_memory(engine.kv_cache_memory)?;
    use_threads(model.threads)?;
    let path = find(&model.model)?;
    let name = model.served_model_name.clone().map_or_else(|| name_of(&model.model), Ok)?;
    tracing::info!("loading {name} from {}", path.display());
    let files = ModelFiles::open(&path)?;
    let tokenizer = Arc::new(files.tokenizer()?);
    let template = files.chat_template(&tokenizer)?;
    let generation = files.generation_config()?;
    let eos = eos(files.config(), &tokenizer, &generation);
    let config = engine_config(engine, name.clone(), eos);
    // Before the weights are read: a limit that cannot be kept should not cost that time.
    config.resolve(&ModelLimits::of(files.config())).map_err(of_flags)?;
    let decoder = Arc::new(Decoder::from_files(&files, model.weights)?);
    if let Some(sentence) = unused(decoder.unused()) {
        tracing::warn!("{sentence}");
    }
    let mut base = BaseInfo::new(files, &name);
    base.title = name_of(&model.model).ok();
    let registry = adapters(model, base)?;
    let (engine, thread) = engine::start(decoder, Arc::clone(&tokenizer), registry, &config)?;
    let defaults = match model.generation_config {
        Defaults::Auto => defaults(&generation),
        Defaults::Openai => SamplingDefaults::default(),
    };
    Ok(Loaded { served: Served { engine, thread, tokenizer, template }, defaults })
}

/// One sentence about tensors that the architecture has no place for, however many they are.
pub(super) fn unused(names: &[String]) -> Option<String> {
    let (first, more) = names.split_first()?;
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    Some(format!("`{first}`{more} will not be used: the architecture has no such tensor"))
}

/// Refuses a cache that this machine can never hold.
fn check_memory(kv_cache: usize) -> Result<(), Usage> {
    match memory::physical() {
        Some(physical) if kv_cache > physical => Err(Usage(format!(
            "--kv-cache-memory is {kv_cache} bytes, but this machine has {physical}; give it less, \
             and leave room for the model"
        ))),
        _ => Ok(()),
    }
}

/// A limit that cannot be kept, by the flag that sets it.
fn of_flags(error: ConfigError) -> Usage {
    Usage(error.sentence(|setting| match setting {
        Setting::MaxNumSeqs => "--max-num-seqs",
        Setting::MaxNumBatchedTokens => "--max-num-batched-tokens",
        Setting::KvMemory => "--kv-cache-memory",
        Setting::MaxQueue => "--max-queue",
        Setting::MaxModelLen => "--max-model-len",
    }))
}

/// The GGUF file that `model` is, or its folder, as [`find_folder`] finds it.
pub(super) fn find(model: &str) -> Result<PathBuf> {
    let path = PathBuf::from(model);
    if path.is_file() && path.extension().is_some_and(|extension| extension == "gguf") {
        return Ok(path);
    }
    find_folder(model)
}

/// The folder of a model that is a folder, or is fetched into one.
pub(super) fn find_folder(model: &str) -> Result<PathBuf> {
    let path = PathBuf::from(model);
    if path.join("adapter_config.json").is_file() && !path.join("config.json").exists() {
        bail!("{model} is an adapter, not a model; give it as --adapter, and its base as --model");
    }
    if path.is_dir() {
        return Ok(path);
    }
    if path.is_file() {
        bail!("--model {model} is a file; give the folder that holds config.json");
    }
    match hub::parse_id(model) {
        Some(id) if model != DEFAULT_MODEL => hub::fetch(&id, &HubConfig::from_env()),
        _ => bail!(
            "there is no model folder {model}; give --model a folder with config.json, a .gguf \
             file, or a hub id such as Qwen/Qwen2.5-0.5B-Instruct"
        ),
    }
}

/// What to call a model in what is written about it: its hub id, or the last part of its path.
pub(super) fn title_of(model: &str) -> Result<String> {
    if Path::new(model).exists() { name_of(model) } else { Ok(model.to_owned()) }
}

/// The last part of a path or hub id, without a revision.
fn name_of(model: &str) -> Result<String> {
    let path = Path::new(model);
    let real = if path.is_dir() { fs_err::canonicalize(path)? } else { path.to_owned() };
    let gguf = path.is_file() && path.extension().is_some_and(|extension| extension == "gguf");
    let last = if gguf { real.file_stem() } else { real.file_name() };
    let last = last
        .and_then(|name| name.to_str())
        .context("the model's path has no name to serve it under; give --served-model-name")?;
    Ok(last.split('@').next().unwrap_or(last).to_owned())
}

/// The registry with every adapter that was named, which must load, and every one in the adapter
/// folder, which may fail with a warning.
fn adapters(model: &ModelArgs, mut base: BaseInfo) -> Result<Registry> {
    base.precision = match model.adapter_weights {
        AdapterWeights::Exact => Precision::Exact,
        AdapterWeights::Bf16 => Precision::Bf16,
    };
    let limits = Limits { max_adapters: model.max_adapters, max_bytes: model.max_adapter_memory };
    let registry = Registry::new(Arc::new(base), limits);
    if model.adapter_dir.is_dir() {
        let scan = registry.scan_dir(&model.adapter_dir)?;
        for generation in &scan.loaded {
            say_loaded(generation);
        }
        for (path, error) in &scan.failed {
            tracing::warn!("adapter {} is not served: {error}", path.display());
        }
    }
    for adapter in &model.adapter {
        let below = || model.adapter_dir.join(&adapter.name);
        let path = adapter.path.clone().unwrap_or_else(below);
        let generation = registry
            .load(&adapter.name, &path, LoadPolicy::Replace)
            .with_context(|| format!("cannot load --adapter {}", adapter.name))?;
        say_loaded(&generation);
    }
    Ok(registry)
}

fn say_loaded(generation: &Generation) {
    tracing::info!("adapter {} (generation {})", generation.name, generation.id);
    for warning in &generation.report.warnings {
        tracing::warn!("adapter {}: {warning}", generation.name);
    }
}

fn engine_config(args: &EngineArgs, model_name: String, eos: Vec<u32>) -> EngineConfig {
    let (tokens, default) =
        (args.max_num_batched_tokens, EngineConfig::default().max_num_batched_tokens);
    EngineConfig {
        max_num_seqs: args.max_num_seqs,
        max_num_batched_tokens: tokens.unwrap_or_else(|| default.max(args.max_num_seqs)),
        kv_memory: KvMemory::Bytes(args.kv_cache_memory),
        max_queue: args.max_queue,
        max_model_len: args.max_model_len,
        enable_prefix_caching: args.enable_prefix_caching || !args.no_enable_prefix_caching,
        eos_token_ids: Some(eos),
        model_name,
    }
}

/// Whatever one of the three files calls an end: config.json, generation_config.json, the tokenizer.
/// An id that the model cannot write is left out with a warning.
fn eos(config: &ModelConfig, tokenizer: &Tokenizer, generation: &GenerationConfig) -> Vec<u32> {
    let tokenizer = tokenizer.special().eos.as_ref().and_then(|token| token.id);
    let files: [(&str, &[u32]); 3] = [
        ("config.json", &config.eos_token_ids),
        ("generation_config.json", &generation.eos_token_ids),
        ("the tokenizer", tokenizer.as_slice()),
    ];
    let mut ids = BTreeSet::new();
    for (file, ends) in files {
        let (known, unknown): (Vec<u32>, Vec<u32>) =
            ends.iter().partition(|id| (**id as usize) < config.vocab_size);
        ids.extend(known);
        if !unknown.is_empty() {
            let tokens = config.vocab_size;
            tracing::warn!(
                "{file} ends answers at {unknown:?}, but the model's vocabulary has {tokens} tokens: left out"
            );
        }
    }
    ids.into_iter().collect()
}

fn defaults(generation: &GenerationConfig) -> SamplingDefaults {
    let openai = SamplingDefaults::default();
    let or = |value: Option<f64>, default: f32| value.map_or(default, |value| value as f32);
    let temperature = match generation.do_sample {
        Some(false) => 0.0,
        _ => or(generation.temperature, openai.temperature),
    };
    SamplingDefaults {
        temperature,
        top_p: or(generation.top_p, openai.top_p),
        top_k: generation.top_k.unwrap_or(openai.top_k),
        min_p: or(generation.min_p, openai.min_p),
        repetition_penalty: or(generation.repetition_penalty, openai.repetition_penalty),
        max_tokens: generation.max_new_tokens,
    }
}

fn use_threads(threads: Option<u16>) -> Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(threads))
        .build_global()
        .context("cannot start the threads that --threads asks for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_by_its_last_part() {
        assert_eq!(name_of("Qwen/Qwen2.5-0.5B").unwrap(), "Qwen2.5-0.5B");
        assert_eq!(name_of("Qwen/Qwen2.5-0.5B@main").unwrap(), "Qwen2.5-0.5B");
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("tiny");
        fs_err::create_dir(&model).unwrap();
        assert_eq!(name_of(&format!("{}/", model.display())).unwrap(), "tiny");
    }

    #[test]
    fn limits_are_called_by_their_flags() {
        let said = |error| of_flags(error).0;
        let flags =
            "--max-num-batched-tokens is 63, but must be at least --max-num-seqs, which is 64";
        assert_eq!(said(ConfigError::BatchTooSmall { tokens: 63, seqs: 64 }), flags);
        let zero = "`--max-queue` is 0, but must be at least 1";
        assert_eq!(said(ConfigError::Zero(Setting::MaxQueue)), zero);
        let cache = said(ConfigError::BeyondCache { asked: 65, capacity: 64 });
        assert!(
            cache.ends_with("give --kv-cache-memory more, or lower --max-model-len"),
            "{cache}"
        );
    }

    #[test]
    fn unused_tensors_are_one_sentence() {
        let names = |n: usize| (0..n).map(|i| format!("extra.{i}")).collect::<Vec<_>>();
        let why = "will not be used: the architecture has no such tensor";
        assert_eq!(unused(&names(0)), None);
        assert_eq!(unused(&names(1)).unwrap(), format!("`extra.0` {why}"));
        assert_eq!(unused(&names(300)).unwrap(), format!("`extra.0` and 299 more {why}"));
    }

    #[test]
    fn sampling_defaults_are_the_models_own() {
        let generation = GenerationConfig {
            temperature: Some(0.6),
            top_k: Some(20),
            max_new_tokens: Some(512),
            ..Default::default()
        };
        let got = defaults(&generation);
        assert_eq!((got.temperature, got.top_p, got.top_k), (0.6, 1.0, 20));
        assert_eq!(got.max_tokens, Some(512));
        let greedy = GenerationConfig { do_sample: Some(false), ..generation };
        assert_eq!(defaults(&greedy).temperature, 0.0);
    }

    #[test]
    fn a_missing_demo_is_no_hub_id() {
        let error = find(DEFAULT_MODEL).map(|_| ());
        if let Err(error) = error {
            assert!(error.to_string().starts_with("there is no model folder"), "{error}");
        }
    }
}
