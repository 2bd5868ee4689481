//! The paged key/value cache of a whole model: one [`KvBlocks`] a layer.
//!
//! Which block belongs to whom is the engine's block manager's business.

use formats::ModelConfig;
use kernels::KvBlocks;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys and values of every layer. Memory is committed when a block is first written.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<Mutex<KvBlocks>>,
}

impl KvCache {
    /// A cache of `num_blocks` blocks of [`kernels::BLOCK`] tokens for each layer.
    pub fn new(config: &ModelConfig, num_blocks: usize) -> Self {
        let layer =
            || Mutex::new(KvBlocks::new(num_blocks, config.num_key_value_heads, config.head_dim));
        Self { layers: (0..config.num_hidden_layers).map(|_| layer()).collect() }
    }

    /// Bytes that one block takes over all layers of a model of this configuration.
    pub fn block_bytes(config: &ModelConfig) -> usize {
        let floats = 2 * kernels::BLOCK * config.num_key_value_heads * config.head_dim;
        config.num_hidden_layers * floats * size_of::<f32>()
    }

    /// One layer's blocks. Only the thread that runs the model takes these locks.
    pub(super) fn layer(&self, index: usize) -> MutexGuard<'_, KvBlocks> {
        self.layers[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
