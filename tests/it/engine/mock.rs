//! A mock model that keeps "keys and values" as plain records, so that a row computed over the
//! wrong history, another adapter's cache or a block given away is found at once.

use super::support::{EOS, VOCAB};
use std::collections::HashMap;
use wardrobe::adapters::GenerationId;
use wardrobe::engine::{BLOCK_SIZE, BatchChunk, LogitRow, LogitSink, RunError, Runner};

/// Runs no model: logits are a hash of the whole history that the blocks hold.
#[derive(Default)]
pub(crate) struct MockRunner {
    pub(crate) slots: HashMap<usize, (u32, usize, Option<GenerationId>)>,
    /// Steps to fail, counted down.
    pub(crate) fail_in: Option<usize>,
    /// Makes every logit NaN.
    pub(crate) diverged: bool,
    /// Replaces the hash: the likeliest token at each position.
    pub(crate) script: Option<fn(usize) -> u32>,
}

impl Runner for MockRunner {
    fn vocab_size(&self) -> usize {
        VOCAB
    }

    fn run(&mut self, batch: &[BatchChunk<'_>], sink: &mut LogitSink<'_>) -> Result<(), RunError> {
        if let Some(left) = &mut self.fail_in {
            if *left == 0 {
                self.fail_in = None;
                return Err(RunError("the mock fails as told".to_owned()));
            }
            *left -= 1;
        }
        let slot = |chunk: &BatchChunk<'_>, position: usize| {
            chunk.block_table[position / BLOCK_SIZE] as usize * BLOCK_SIZE + position % BLOCK_SIZE
        };
        for chunk in batch {
            for (position, &token) in (chunk.first_position..).zip(chunk.tokens) {
                let adapter = chunk.adapter.map(|generation| generation.id);
                self.slots.insert(slot(chunk, position), (token, position, adapter));
            }
        }
        for (index, chunk) in batch.iter().enumerate() {
            for row in chunk.logit_rows.clone() {
                let adapter = chunk.adapter.map(|generation| generation.id);
                let last = chunk.first_position + row;
                let mut hash = adapter.map_or(7, |id| u64::from(id.as_bytes()[0]));
                for position in 0..=last {
                    let (token, at, by) = self.slots[&slot(chunk, position)];
                    assert_eq!((at, by), (position, adapter), "a foreign key at {position}");
                    hash = (hash ^ u64::from(token)).wrapping_mul(0x0000_0100_0000_01b3);
                    hash ^= hash >> 29;
                }
                sink(&[LogitRow { chunk: index, row }], &mut self.logits(hash, last));
            }
        }
        Ok(())
    }
}

impl MockRunner {
    fn logits(&self, hash: u64, position: usize) -> Vec<f32> {
        let noise = |id: u64| {
            let mixed = (hash ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(hash | 1);
            (mixed >> 40) as f32 / (1 << 22) as f32
        };
        let mut logits: Vec<f32> = (0..VOCAB as u64).map(noise).collect();
        if self.diverged {
            logits.fill(f32::NAN);
        }
        logits[EOS as usize] -= 1.0;
        if let Some(script) = self.script {
            logits[script(position) as usize] = 100.0;
        }
        logits
    }
}
