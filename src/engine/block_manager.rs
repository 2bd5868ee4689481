//! Reference-counted KV blocks and the prefix cache over them: integers only, no tensor.
//!
//! A block is *used* (some sequences hold it), *cached* (nobody holds it, its content may serve
//! again; oldest evicted first) or *free*. A block's content is registered when the step that
//! fills it is scheduled, so that requests admitted to the same step already share it: within a
//! layer every row's keys and values are written before any row attends.
//! Blocks are shared only when full, so nothing is ever copied.

use super::block_hash::{BLOCK_SIZE, BlockContent, BlockHash};
use super::sequence::Sequence;
use crate::adapters::GenerationId;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// All KV blocks of one engine.
#[derive(Debug)]
pub struct BlockManager {
    blocks: Vec<Block>,
    free: Vec<u32>,
    /// Cached blocks by the time they were let go, oldest first.
    evictable: BTreeMap<u64, u32>,
    by_hash: HashMap<BlockHash, u32>,
    clock: u64,
    caching: PrefixCaching,
    stats: PrefixStats,
}

/// Whether finished work may serve later requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixCaching {
    /// Full blocks stay findable until their memory is wanted.
    On,
    /// Every request computes its whole prompt.
    Off,
}

/// Tokens that could have been served from the prefix cache, and those that were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixStats {
    /// Tokens looked up.
    pub queries: u64,
    /// Tokens found.
    pub hits: u64,
}

#[derive(Debug, Default)]
struct Block {
    ref_count: u32,
    /// Set while the block is findable by hash.
    cached: Option<(BlockHash, BlockContent)>,
    /// Its key in `evictable`, valid while nobody holds it and it is cached.
    released_at: u64,
}

impl BlockManager {
    /// `num_blocks` free blocks, numbered from 0.
    pub fn new(num_blocks: u32, caching: PrefixCaching) -> Self {
        Self {
            blocks: (0..num_blocks).map(|_| Block::default()).collect(),
            free: (0..num_blocks).rev().collect(),
            evictable: BTreeMap::new(),
            by_hash: HashMap::new(),
            clock: 0,
            caching,
            stats: PrefixStats::default(),
        }
    }

    /// Blocks in all.
    pub fn num_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks that can be handed out now: free ones and cached ones nobody holds.
    pub fn num_free_blocks(&self) -> usize {
        self.free.len() + self.evictable.len()
    }

    /// Blocks that sequences hold.
    pub fn num_used_blocks(&self) -> usize {
        self.num_blocks() - self.num_free_blocks()
    }

    /// Blocks whose content can be found, held or not.
    pub fn num_cached_blocks(&self) -> usize {
        self.by_hash.len()
    }

    /// Prefix cache counters since the start.
    pub fn prefix_stats(&self) -> PrefixStats {
        self.stats
    }

    /// Gives a sequence without blocks all it needs for its known tokens, reusing cached ones and
    /// setting `num_computed_tokens` past them. `false`, and nothing changed, when that would
    /// leave fewer than `headroom` free blocks.
    pub fn allocate(&mut self, sequence: &mut Sequence, headroom: usize) -> bool {
        debug_assert!(sequence.block_table.is_empty());
        let prefix = self.cached_prefix(sequence);
        let idle = prefix.iter().filter(|(block, _)| self.block(*block).ref_count == 0).count();
        let num_new = sequence.num_blocks_needed() - prefix.len();
        if self.num_free_blocks() < idle + num_new + headroom {
            return false;
        }
        for &(block, hash) in &prefix {
            self.acquire_cached(block);
            sequence.block_table.push(block);
            sequence.block_hashes.push(hash);
        }
        sequence.num_computed_tokens = prefix.len() * BLOCK_SIZE;
        self.count_lookup(sequence);
        sequence.block_table.extend((0..num_new).filter_map(|_| self.take_block()));
        true
    }

    /// Adds the block that a running sequence's newest token needs, if it needs one.
    /// `false`, and nothing changed, when none is free.
    pub fn append(&mut self, sequence: &mut Sequence) -> bool {
        if sequence.block_table.len() == sequence.num_blocks_needed() {
            return true;
        }
        let block = self.take_block();
        sequence.block_table.extend(block);
        block.is_some()
    }

    /// Makes findable every block that is full once `sequence.num_computed_tokens` are computed.
    pub fn register_full_blocks(&mut self, sequence: &mut Sequence) {
        if self.caching == PrefixCaching::Off {
            return;
        }
        let num_full = sequence.num_computed_tokens / BLOCK_SIZE;
        for index in sequence.block_hashes.len()..num_full {
            let content = sequence.block_content(index, sequence.block_hashes.last().copied());
            let hash = content.hash();
            sequence.block_hashes.push(hash);
            let block = sequence.block_table[index];
            // Where two sequences computed the same content, the first one's block stays known.
            if let Entry::Vacant(vacant) = self.by_hash.entry(hash) {
                vacant.insert(block);
                self.block_mut(block).cached = Some((hash, content));
            }
        }
    }

    /// Takes a sequence's blocks back. Full ones stay cached, and the end of a prefix is evicted
    /// before its beginning.
    pub fn free(&mut self, sequence: &mut Sequence) {
        for block in std::mem::take(&mut sequence.block_table).into_iter().rev() {
            self.release(block);
        }
        sequence.reset();
    }

    /// Drops every cached block of one generation, for when nobody can ask for it any more.
    pub fn forget(&mut self, adapter: GenerationId) {
        self.drop_cached(|content| content.adapter == Some(adapter));
    }

    /// Drops the whole prefix cache, for when a step failed and its blocks hold nothing sure.
    pub fn reset_prefix_cache(&mut self) {
        self.drop_cached(|_| true);
    }

    /// The longest run of cached blocks that begins the sequence, each verified by its content.
    fn cached_prefix(&self, sequence: &Sequence) -> Vec<(u32, BlockHash)> {
        let mut prefix: Vec<(u32, BlockHash)> = Vec::new();
        for index in 0..sequence.num_cacheable_blocks() {
            let content = sequence.block_content(index, prefix.last().map(|(_, hash)| *hash));
            let hash = content.hash();
            let Some(&block) = self.by_hash.get(&hash) else { break };
            if self.block(block).cached.as_ref().is_none_or(|(_, known)| *known != content) {
                break;
            }
            prefix.push((block, hash));
        }
        prefix
    }

    fn count_lookup(&mut self, sequence: &Sequence) {
        if self.caching == PrefixCaching::On {
            self.stats.queries += sequence.tokens.len() as u64;
            self.stats.hits += sequence.num_computed_tokens as u64;
        }
    }

    fn acquire_cached(&mut self, block: u32) {
        if self.block(block).ref_count == 0 {
            let released_at = self.block(block).released_at;
            self.evictable.remove(&released_at);
        }
        self.block_mut(block).ref_count += 1;
    }

    /// A block for new content: a free one, else the cached one let go longest ago.
    fn take_block(&mut self) -> Option<u32> {
        let block = match self.free.pop() {
            Some(block) => block,
            None => {
                let (_, block) = self.evictable.pop_first()?;
                if let Some((hash, _)) = self.block_mut(block).cached.take() {
                    self.by_hash.remove(&hash);
                }
                block
            }
        };
        self.block_mut(block).ref_count = 1;
        Some(block)
    }

    fn release(&mut self, block: u32) {
        self.clock += 1;
        let clock = self.clock;
        let entry = self.block_mut(block);
        entry.ref_count -= 1;
        if entry.ref_count > 0 {
            return;
        }
        if entry.cached.is_some() {
            entry.released_at = clock;
            self.evictable.insert(clock, block);
        } else {
            self.free.push(block);
        }
    }

    fn drop_cached(&mut self, should_drop: impl Fn(&BlockContent) -> bool) {
        for (number, block) in (0..).zip(&mut self.blocks) {
            if !block.cached.as_ref().is_some_and(|(_, content)| should_drop(content)) {
                continue;
            }
            if let Some((hash, _)) = block.cached.take() {
                self.by_hash.remove(&hash);
            }
            if block.ref_count == 0 {
                self.evictable.remove(&block.released_at);
                self.free.push(number);
            }
        }
    }

    fn block(&self, block: u32) -> &Block {
        &self.blocks[block as usize]
    }

    fn block_mut(&mut self, block: u32) -> &mut Block {
        &mut self.blocks[block as usize]
    }
}

/// What must hold between any two operations; for tests.
impl BlockManager {
    /// Panics, naming the block, unless the books balance against the sequences that hold blocks.
    pub fn check_invariants<'a>(&self, holders: impl Iterator<Item = &'a Sequence>) {
        let mut held = vec![0; self.blocks.len()];
        for sequence in holders {
            assert!(sequence.num_computed_tokens <= sequence.block_table.len() * BLOCK_SIZE);
            sequence.block_table.iter().for_each(|&block| held[block as usize] += 1);
        }
        let (mut free, mut evictable, mut findable) = (0, 0, 0);
        for ((number, block), held) in (0..).zip(&self.blocks).zip(held) {
            assert_eq!(block.ref_count, held, "holders of block {number}");
            if let Some((hash, content)) = &block.cached {
                findable += 1;
                assert_eq!(self.by_hash.get(hash), Some(&number), "hash of block {number}");
                assert_eq!(content.hash(), *hash, "content of block {number}");
            }
            match (held, &block.cached) {
                (0, Some(_)) => {
                    evictable += 1;
                    assert_eq!(self.evictable.get(&block.released_at), Some(&number));
                }
                (0, None) => {
                    free += 1;
                    assert!(self.free.contains(&number), "block {number} is lost");
                }
                _ => {}
            }
        }
        assert_eq!(
            (free, evictable, findable),
            (self.free.len(), self.evictable.len(), self.by_hash.len())
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{SamplingParams, SequenceId};

    fn sequence(id: u64, first: u32) -> Sequence {
        let tokens = (first..first + 70).collect();
        Sequence::new(SequenceId(id), tokens, None, SamplingParams::default(), 0)
    }

    /// 128 bits never collide by chance, so the collision is forged.
    #[test]
    fn a_block_whose_hash_collides_is_not_shared() {
        let mut blocks = BlockManager::new(8, PrefixCaching::On);
        let mut known = sequence(0, 0);
        assert!(blocks.allocate(&mut known, 0));
        known.num_computed_tokens = 70;
        blocks.register_full_blocks(&mut known);
        let mut other = sequence(1, 100);
        let collides = other.block_content(0, None).hash();
        blocks.by_hash.insert(collides, known.block_table[0]);
        assert!(blocks.allocate(&mut other, 0));
        assert_eq!(other.num_computed_tokens, 0, "the tokens in the block are others");
        assert!(other.block_table.iter().all(|block| !known.block_table.contains(block)));
    }
}
