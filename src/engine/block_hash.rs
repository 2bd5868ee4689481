//! Names for the contents of full KV blocks: a chained hash, and what it stands for.
//!
//! The hash finds a candidate; [`BlockContent`] equality decides. Which blocks exist is
//! [`super::block_manager`]'s business.

use crate::adapters::GenerationId;
use sha2::{Digest, Sha256};

/// Tokens held by one KV block.
pub const BLOCK_SIZE: usize = 32;

/// The first 128 bits of SHA-256 over (parent hash, adapter generation, tokens).
///
/// A prefix is named by the hash of its last block, because each hash covers its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockHash([u8; 16]);

/// Everything that decides the keys and values in one full block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockContent {
    /// The block before this one; `None` for the first block of a sequence.
    pub parent: Option<BlockHash>,
    /// The adapter generation whose weights computed it; `None` for the base model.
    pub adapter: Option<GenerationId>,
    /// Its [`BLOCK_SIZE`] tokens.
    pub tokens: Box<[u32]>,
}

impl BlockContent {
    /// The chained hash of this content.
    pub fn hash(&self) -> BlockHash {
        let mut hasher = Sha256::new();
        match &self.parent {
            Some(parent) => hasher.update([&[1], parent.0.as_slice()].concat()),
            None => hasher.update([0]),
        }
        match &self.adapter {
            Some(generation) => hasher.update([&[1], generation.as_bytes().as_slice()].concat()),
            None => hasher.update([0]),
        }
        for token in &self.tokens {
            hasher.update(token.to_le_bytes());
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        BlockHash(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(parent: Option<BlockHash>, adapter: Option<u8>, first: u32) -> BlockContent {
        let tokens = (first..first + BLOCK_SIZE as u32).collect();
        BlockContent { parent, adapter: adapter.map(|byte| GenerationId::of(&[byte], b"")), tokens }
    }

    #[test]
    fn parent_adapter_and_tokens_each_change_the_hash() {
        let base = content(None, None, 0);
        let others = [
            content(Some(base.hash()), None, 0),
            content(None, Some(0), 0),
            content(None, Some(1), 0),
            content(None, None, 1),
        ];
        assert_eq!(base.hash(), content(None, None, 0).hash());
        for (i, other) in others.iter().enumerate() {
            assert_ne!(base.hash(), other.hash());
            assert!(others[..i].iter().all(|earlier| earlier.hash() != other.hash()));
        }
    }
}
