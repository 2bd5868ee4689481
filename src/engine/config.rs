//! How large the engine may be, and what that means for one model.

use super::block_hash::BLOCK_SIZE;
use super::block_manager::PrefixCaching;
use super::scheduler::SchedulerLimits;
use crate::model::KvCache;
use formats::ModelConfig;
use std::fmt;

/// The engine's limits. [`EngineConfig::resolve`] holds them against a model.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    /// Sequences that run at the same time.
    pub max_num_seqs: usize,
    /// Tokens computed in one step: the chunk in which prompts are read, so that answers that are
    /// being written wait no longer than that.
    pub max_num_batched_tokens: usize,
    /// Memory for keys and values.
    pub kv_memory: KvMemory,
    /// Requests that may wait; further ones are refused.
    pub max_queue: usize,
    /// Tokens of prompt and answer together; `None` is as many as model and memory allow.
    pub max_model_len: Option<usize>,
    /// Whether blocks of finished requests may serve later ones.
    pub enable_prefix_caching: bool,
    /// Tokens that end an answer; `None` takes the model's `config.json`.
    pub eos_token_ids: Option<Vec<u32>>,
    /// What requests without an adapter are counted under.
    pub model_name: String,
}

/// How much memory keys and values may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvMemory {
    /// Bytes over all layers, rounded down to whole blocks.
    Bytes(usize),
    /// Tokens over all sequences, rounded up to whole blocks.
    Tokens(usize),
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_num_seqs: 64,
            max_num_batched_tokens: 256,
            kv_memory: KvMemory::Bytes(1 << 30),
            max_queue: 256,
            max_model_len: None,
            enable_prefix_caching: true,
            eos_token_ids: None,
            model_name: "base".to_owned(),
        }
    }
}

/// A limit of [`EngineConfig`] that an error can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// [`EngineConfig::max_num_seqs`].
    MaxNumSeqs,
    /// [`EngineConfig::max_num_batched_tokens`].
    MaxNumBatchedTokens,
    /// [`EngineConfig::kv_memory`].
    KvMemory,
    /// [`EngineConfig::max_queue`].
    MaxQueue,
    /// [`EngineConfig::max_model_len`].
    MaxModelLen,
}

impl Setting {
    /// The field's name.
    fn field(self) -> &'static str {
        match self {
            Self::MaxNumSeqs => "max_num_seqs",
            Self::MaxNumBatchedTokens => "max_num_batched_tokens",
            Self::KvMemory => "kv_memory",
            Self::MaxQueue => "max_queue",
            Self::MaxModelLen => "max_model_len",
        }
    }
}

/// Limits that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A limit of zero.
    Zero(Setting),
    /// A step that cannot hold one token of each running sequence.
    BatchTooSmall {
        /// `max_num_batched_tokens`.
        tokens: usize,
        /// `max_num_seqs`.
        seqs: usize,
    },
    /// Less memory than one block.
    NoBlock {
        /// What was given.
        given: usize,
        /// Bytes of one block.
        block: usize,
    },
    /// A longer context than the model was made for.
    BeyondModel {
        /// `max_model_len`.
        asked: usize,
        /// The model's limit.
        model: usize,
    },
    /// A longer context than the cache can hold.
    BeyondCache {
        /// `max_model_len`.
        asked: usize,
        /// Tokens in the cache.
        capacity: usize,
    },
}

impl ConfigError {
    /// One sentence, in which each setting is called as `name` calls it.
    pub fn sentence(&self, name: impl Fn(Setting) -> &'static str) -> String {
        let (tokens, len) = (name(Setting::MaxNumBatchedTokens), name(Setting::MaxModelLen));
        match self {
            Self::Zero(setting) => format!("`{}` is 0, but must be at least 1", name(*setting)),
            Self::BatchTooSmall { tokens: given, seqs } => {
                let least = name(Setting::MaxNumSeqs);
                format!("{tokens} is {given}, but must be at least {least}, which is {seqs}")
            }
            Self::NoBlock { given, block } => format!(
                "{} is {given} bytes, but one block of this model takes {block}; give it at least that",
                name(Setting::KvMemory)
            ),
            Self::BeyondModel { asked, model } => {
                format!("{len} is {asked}, but the model's max_position_embeddings is {model}")
            }
            Self::BeyondCache { asked, capacity } => format!(
                "{len} is {asked}, but the KV cache holds {capacity} tokens; give {} more, or lower {len}",
                name(Setting::KvMemory)
            ),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(Setting::field))
    }
}

impl std::error::Error for ConfigError {}

/// What a model allows and needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelLimits {
    /// Token ids lie below this.
    pub vocab_size: usize,
    /// Positions the model was made for.
    pub max_position_embeddings: usize,
    /// Bytes of one KV block over all layers.
    pub block_bytes: usize,
    /// The model's own end-of-sequence tokens.
    pub eos_token_ids: Vec<u32>,
}

impl ModelLimits {
    /// The limits of a model.
    pub fn of(config: &ModelConfig) -> Self {
        Self {
            vocab_size: config.vocab_size,
            max_position_embeddings: config.max_position_embeddings,
            block_bytes: KvCache::block_bytes(config),
            eos_token_ids: config.eos_token_ids.clone(),
        }
    }
}

/// What a configuration comes to for one model; also what clients may know of the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineInfo {
    /// What requests without an adapter are counted under.
    pub model_name: String,
    /// Token ids lie below this.
    pub vocab_size: usize,
    /// Tokens of prompt and answer together.
    pub max_model_len: usize,
    /// KV blocks.
    pub num_blocks: usize,
    /// Tokens in one block.
    pub block_size: usize,
    /// Bytes of one block over all layers.
    pub block_bytes: usize,
    /// What one step may hold.
    pub limits: SchedulerLimits,
    /// Requests that may wait.
    pub max_queue: usize,
    /// Whether prefixes are cached.
    pub prefix_caching: PrefixCaching,
    /// Tokens that end an answer.
    pub eos_token_ids: Vec<u32>,
}

impl EngineConfig {
    /// Holds the limits against a model.
    ///
    /// # Errors
    /// When a limit is zero, contradicts another one, or cannot be kept by model or memory.
    pub fn resolve(&self, model: &ModelLimits) -> Result<EngineInfo, ConfigError> {
        let limits = self.limits()?;
        let num_blocks = self.num_blocks(model.block_bytes)?;
        let max_model_len = self.model_len(model, num_blocks * BLOCK_SIZE)?;
        let eos = self.eos_token_ids.as_ref().unwrap_or(&model.eos_token_ids);
        Ok(EngineInfo {
            model_name: self.model_name.clone(),
            vocab_size: model.vocab_size,
            max_model_len,
            num_blocks,
            block_size: BLOCK_SIZE,
            block_bytes: model.block_bytes,
            limits,
            max_queue: self.max_queue,
            prefix_caching: self.prefix_caching(),
            eos_token_ids: eos.clone(),
        })
    }

    fn limits(&self) -> Result<SchedulerLimits, ConfigError> {
        let (seqs, tokens) = (self.max_num_seqs, self.max_num_batched_tokens);
        if seqs == 0 {
            return Err(ConfigError::Zero(Setting::MaxNumSeqs));
        }
        if self.max_queue == 0 {
            return Err(ConfigError::Zero(Setting::MaxQueue));
        }
        if tokens < seqs {
            return Err(ConfigError::BatchTooSmall { tokens, seqs });
        }
        Ok(SchedulerLimits { max_num_seqs: seqs, max_num_batched_tokens: tokens })
    }

    fn num_blocks(&self, block_bytes: usize) -> Result<usize, ConfigError> {
        let num_blocks = match self.kv_memory {
            KvMemory::Bytes(given) if given < block_bytes => {
                return Err(ConfigError::NoBlock { given, block: block_bytes });
            }
            KvMemory::Bytes(bytes) => bytes / block_bytes,
            KvMemory::Tokens(0) => return Err(ConfigError::Zero(Setting::KvMemory)),
            KvMemory::Tokens(tokens) => tokens.div_ceil(BLOCK_SIZE),
        };
        // Slots are numbered in 32 bits.
        Ok(num_blocks.min(u32::MAX as usize / BLOCK_SIZE))
    }

    fn model_len(&self, model: &ModelLimits, capacity: usize) -> Result<usize, ConfigError> {
        let limit = model.max_position_embeddings;
        let Some(asked) = self.max_model_len else { return Ok(limit.min(capacity)) };
        if asked == 0 {
            return Err(ConfigError::Zero(Setting::MaxModelLen));
        }
        if asked > limit {
            return Err(ConfigError::BeyondModel { asked, model: limit });
        }
        if asked > capacity {
            return Err(ConfigError::BeyondCache { asked, capacity });
        }
        Ok(asked)
    }

    fn prefix_caching(&self) -> PrefixCaching {
        if self.enable_prefix_caching { PrefixCaching::On } else { PrefixCaching::Off }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(change: impl FnOnce(&mut EngineConfig)) -> Result<EngineInfo, ConfigError> {
        let model = ModelLimits {
            vocab_size: 100,
            max_position_embeddings: 1000,
            block_bytes: 1024,
            eos_token_ids: vec![7],
        };
        let mut config = EngineConfig::default();
        change(&mut config);
        config.resolve(&model)
    }

    #[test]
    fn context_is_bounded_by_model_and_memory() {
        let of = |kv_memory| resolve(|config| config.kv_memory = kv_memory).unwrap();
        assert_eq!(of(KvMemory::Bytes(1 << 20)).max_model_len, 1000);
        assert_eq!(of(KvMemory::Bytes(2047)).max_model_len, 32);
        assert_eq!(of(KvMemory::Tokens(33)).num_blocks, 2);
        assert_eq!(of(KvMemory::Tokens(33)).eos_token_ids, [7]);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_both_figures() {
        type Change = fn(&mut EngineConfig);
        let cases: [(Change, &str); 6] = [
            (|c| c.max_num_seqs = 0, "`max_num_seqs` is 0, but must be at least 1"),
            (
                |c| c.max_num_batched_tokens = 63,
                "max_num_batched_tokens is 63, but must be at least max_num_seqs, which is 64",
            ),
            (
                |c| c.kv_memory = KvMemory::Bytes(1000),
                "kv_memory is 1000 bytes, but one block of this model takes 1024; give it at least that",
            ),
            (|c| c.kv_memory = KvMemory::Tokens(0), "`kv_memory` is 0, but must be at least 1"),
            (
                |c| c.max_model_len = Some(2000),
                "max_model_len is 2000, but the model's max_position_embeddings is 1000",
            ),
            (
                |c| (c.kv_memory, c.max_model_len) = (KvMemory::Tokens(64), Some(65)),
                "max_model_len is 65, but the KV cache holds 64 tokens; give kv_memory more, or \
                 lower max_model_len",
            ),
        ];
        for (change, message) in cases {
            assert_eq!(resolve(change).unwrap_err().to_string(), message);
        }
    }
}
