//! One request as the scheduler sees it: its tokens, how far they are computed, its blocks.
//!
//! No text, no channel, no tensor: those belong to [`super::engine`] and [`super::model_runner`].

use super::block_hash::{BLOCK_SIZE, BlockContent, BlockHash};
use super::sampling_params::SamplingParams;
use crate::adapters::GenerationId;

/// The number of a request: later requests have greater numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceId(pub u64);

/// A prompt and what was generated after it.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Its place in the order of arrival.
    pub id: SequenceId,
    /// The generation that computes it, from its first token to its last; `None` is the base.
    pub adapter: Option<GenerationId>,
    /// How its tokens are chosen.
    pub params: SamplingParams,
    /// With the position it decides every draw.
    pub seed: u64,
    /// Prompt, then output.
    pub tokens: Vec<u32>,
    /// Tokens whose keys and values are in the cache (or will be after the scheduled step).
    pub num_computed_tokens: usize,
    /// Prompt tokens that the prefix cache saved at first admission; `None` before it.
    pub num_cached_tokens: Option<usize>,
    /// Rows of the prompt whose logits were already turned into prompt log-probabilities.
    pub num_scored_rows: usize,
    /// KV blocks, in order of position.
    pub block_table: Vec<u32>,
    /// Hashes of the leading full blocks whose contents are computed.
    pub block_hashes: Vec<BlockHash>,
    prompt_len: usize,
}

impl Sequence {
    /// A sequence that has computed nothing yet.
    pub fn new(
        id: SequenceId,
        prompt: Vec<u32>,
        adapter: Option<GenerationId>,
        params: SamplingParams,
        seed: u64,
    ) -> Self {
        Self {
            id,
            adapter,
            params,
            seed,
            prompt_len: prompt.len(),
            tokens: prompt,
            num_computed_tokens: 0,
            num_cached_tokens: None,
            num_scored_rows: 0,
            block_table: Vec::new(),
            block_hashes: Vec::new(),
        }
    }

    /// The tokens the client sent.
    pub fn prompt(&self) -> &[u32] {
        &self.tokens[..self.prompt_len]
    }

    /// The tokens generated so far.
    pub fn output(&self) -> &[u32] {
        &self.tokens[self.prompt_len..]
    }

    /// Tokens known but not yet computed.
    pub fn num_pending_tokens(&self) -> usize {
        self.tokens.len() - self.num_computed_tokens
    }

    /// Blocks that hold all tokens known now.
    pub fn num_blocks_needed(&self) -> usize {
        self.tokens.len().div_ceil(BLOCK_SIZE)
    }

    /// Full blocks that may be taken from the cache: the last token is always computed, since its
    /// logits are wanted, and so is every prompt row whose logits are still to be scored.
    pub fn num_cacheable_blocks(&self) -> usize {
        let last = self.tokens.len() - 1;
        let limit =
            if self.wants_prompt_logprobs() { self.num_scored_rows.min(last) } else { last };
        limit / BLOCK_SIZE
    }

    /// Whether the prompt's tokens are to be scored.
    pub fn wants_prompt_logprobs(&self) -> bool {
        self.params.prompt_logprobs.is_some()
    }

    /// The content of full block `index`, whose parents' hashes are known.
    pub fn block_content(&self, index: usize, parent: Option<BlockHash>) -> BlockContent {
        let tokens = self.tokens[index * BLOCK_SIZE..(index + 1) * BLOCK_SIZE].into();
        BlockContent { parent, adapter: self.adapter, tokens }
    }

    /// Forgets what was computed, for a sequence whose blocks were taken away.
    pub fn reset(&mut self) {
        self.num_computed_tokens = 0;
        self.block_table.clear();
        self.block_hashes.clear();
    }
}
