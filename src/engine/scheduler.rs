//! Which tokens the next step computes: first come, first served, under a token budget.
//!
//! Decoding and prefilling sequences share every step. A prompt longer than what is left of the
//! budget is computed in chunks, and only the newest running sequence can be in the middle of
//! its prompt, because nobody is admitted while an older one could use the budget. When blocks
//! run out the newest running sequence gives all of its own back and is recomputed later, so the
//! oldest always progresses and nobody starves.
//!
//! Integers only: the step itself is [`super::model_runner`]'s, what a token means to its client
//! is [`super::engine`]'s.

use super::block_manager::BlockManager;
use super::sequence::{Sequence, SequenceId};
use crate::adapters::GenerationId;
use std::collections::VecDeque;

/// Waiting and running sequences, and the blocks they hold.
#[derive(Debug)]
pub struct Scheduler {
    limits: SchedulerLimits,
    blocks: BlockManager,
    /// In order of arrival; preempted sequences come back to the front.
    waiting: VecDeque<Sequence>,
    /// In order of arrival; each is older than every waiting one.
    running: Vec<Sequence>,
    num_preemptions: u64,
}

/// What one step may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerLimits {
    /// Sequences that run at the same time.
    pub max_num_seqs: usize,
    /// Tokens computed in one step, prompts and decoding together.
    pub max_num_batched_tokens: usize,
}

/// The tokens of one running sequence that a step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledChunk {
    /// Index into [`Scheduler::running`].
    pub index: usize,
    /// Position of the first token computed.
    pub first_position: usize,
    /// How many tokens are computed.
    pub num_tokens: usize,
    /// What computes them.
    pub adapter: Option<GenerationId>,
}

impl Scheduler {
    /// A scheduler with no sequences.
    pub fn new(limits: SchedulerLimits, blocks: BlockManager) -> Self {
        let (waiting, running) = (VecDeque::new(), Vec::new());
        Self { limits, blocks, waiting, running, num_preemptions: 0 }
    }

    /// Puts a new sequence at the end of the queue. Ids must come in ascending order.
    pub fn add(&mut self, sequence: Sequence) {
        debug_assert!(self.waiting.back().is_none_or(|last| last.id < sequence.id));
        self.waiting.push_back(sequence);
    }

    /// Sequences that hold blocks, oldest first.
    pub fn running(&self) -> &[Sequence] {
        &self.running
    }

    /// One running sequence, to append its next token.
    pub fn running_mut(&mut self, index: usize) -> &mut Sequence {
        &mut self.running[index]
    }

    /// Sequences that wait for admission, oldest first.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &Sequence> {
        self.waiting.iter()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// How often a running sequence had to give its blocks back.
    pub fn num_preemptions(&self) -> u64 {
        self.num_preemptions
    }

    /// The blocks and the prefix cache.
    pub fn blocks(&self) -> &BlockManager {
        &self.blocks
    }

    /// The blocks and the prefix cache, to drop what became useless.
    pub fn blocks_mut(&mut self) -> &mut BlockManager {
        &mut self.blocks
    }

    /// Plans one step and counts its tokens as computed. Chunks that wear one adapter are
    /// neighbours. Empty only if there is no sequence.
    pub fn schedule(&mut self) -> Vec<ScheduledChunk> {
        let mut chunks = Vec::new();
        let mut budget = self.limits.max_num_batched_tokens;
        let preempted = self.schedule_running(&mut chunks, &mut budget);
        if !preempted {
            self.admit_waiting(&mut chunks, &mut budget);
        }
        chunks.sort_by_key(|chunk| (chunk.adapter, chunk.index));
        chunks
    }

    /// Takes a sequence out, wherever it is, and its blocks back at once.
    pub fn remove(&mut self, id: SequenceId) -> Option<Sequence> {
        if let Some(index) = self.running.iter().position(|sequence| sequence.id == id) {
            let mut sequence = self.running.remove(index);
            self.blocks.free(&mut sequence);
            return Some(sequence);
        }
        let index = self.waiting.iter().position(|sequence| sequence.id == id)?;
        self.waiting.remove(index)
    }

    /// Gives every running sequence its next tokens. `true` if one had to be preempted for that.
    fn schedule_running(&mut self, chunks: &mut Vec<ScheduledChunk>, budget: &mut usize) -> bool {
        let before = self.num_preemptions;
        let mut index = 0;
        while index < self.running.len() && *budget > 0 {
            if self.blocks.append(&mut self.running[index]) {
                self.schedule_chunk(index, chunks, budget);
                index += 1;
            } else {
                self.preempt_newest();
            }
        }
        self.num_preemptions > before
    }

    /// Admits waiting sequences while there is room for all their known tokens and for one more
    /// block for each sequence that already runs, which each will want soon.
    fn admit_waiting(&mut self, chunks: &mut Vec<ScheduledChunk>, budget: &mut usize) {
        while *budget > 0 && self.running.len() < self.limits.max_num_seqs {
            let Some(mut sequence) = self.waiting.pop_front() else { return };
            if !self.blocks.allocate(&mut sequence, self.running.len()) {
                self.waiting.push_front(sequence);
                return;
            }
            sequence.num_cached_tokens.get_or_insert(sequence.num_computed_tokens);
            self.running.push(sequence);
            self.schedule_chunk(self.running.len() - 1, chunks, budget);
        }
    }

    fn schedule_chunk(
        &mut self,
        index: usize,
        chunks: &mut Vec<ScheduledChunk>,
        budget: &mut usize,
    ) {
        let sequence = &mut self.running[index];
        let first_position = sequence.num_computed_tokens;
        let num_tokens = sequence.num_pending_tokens().min(*budget);
        *budget -= num_tokens;
        sequence.num_computed_tokens += num_tokens;
        self.blocks.register_full_blocks(sequence);
        let adapter = sequence.adapter;
        chunks.push(ScheduledChunk { index, first_position, num_tokens, adapter });
    }

    fn preempt_newest(&mut self) {
        if let Some(mut sequence) = self.running.pop() {
            self.blocks.free(&mut sequence);
            self.waiting.push_front(sequence);
            self.num_preemptions += 1;
        }
    }

    /// What must hold between any two operations; for tests. Panics with what does not.
    pub fn check_invariants(&self) {
        self.blocks.check_invariants(self.running.iter());
        assert!(self.running.len() <= self.limits.max_num_seqs, "too many sequences run");
        let in_order = self.running.iter().chain(&self.waiting).map(|sequence| sequence.id);
        assert!(in_order.is_sorted_by(|a, b| a < b), "arrival order is lost");
        for sequence in &self.waiting {
            assert!(sequence.block_table.is_empty(), "{:?} waits with blocks", sequence.id);
            assert_eq!(sequence.num_computed_tokens, 0);
        }
        for (index, sequence) in self.running.iter().enumerate() {
            assert!(sequence.block_table.len() + 1 >= sequence.num_blocks_needed());
            assert!(
                sequence.num_pending_tokens() <= 1 || index + 1 == self.running.len(),
                "{:?} is in its prompt but not the newest",
                sequence.id
            );
        }
    }
}
