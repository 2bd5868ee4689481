//! From integers to tensors: the only file that builds a [`Step`].

use super::batch::{BatchChunk, LogitRow, LogitSink, RunError, Runner};
use super::block_hash::BLOCK_SIZE;
use crate::model::{Decoder, Kv, KvCache, Step, Wear, Worn, slice_of};
use kernels::SeqRows;
use std::ops::Range;
use std::sync::Arc;

/// Rows that go through the head together: logits of more never exist at once, since
/// `[prompt, vocabulary]` would outgrow the model.
const HEAD_ROWS: usize = 32;

/// A decoder and its paged cache.
pub struct ModelRunner {
    decoder: Arc<Decoder>,
    cache: KvCache,
}

impl ModelRunner {
    /// A runner with an empty cache of `num_blocks` blocks.
    pub fn new(decoder: Arc<Decoder>, num_blocks: usize) -> Self {
        let cache = decoder.kv_cache(num_blocks);
        Self { decoder, cache }
    }
}

impl Runner for ModelRunner {
    fn vocab_size(&self) -> usize {
        self.decoder.config().vocab_size
    }

    fn run(&mut self, batch: &[BatchChunk<'_>], sink: &mut LogitSink<'_>) -> Result<(), RunError> {
        let rows = Rows::of(batch);
        let worn = worn(batch, &rows.of_chunk);
        let wear = if worn.is_empty() { Wear::Base } else { Wear::Adapters(&worn) };
        let seqs = seq_rows(batch, &rows.of_chunk);
        let step = Step {
            ids: &rows.ids,
            positions: &rows.positions,
            wear,
            kv: Kv::Paged { cache: &self.cache, slots: &rows.slots, seqs: &seqs },
        };
        let hidden = self.decoder.hidden(&step).map_err(failed)?;
        for wanted in rows.wanted.chunks(HEAD_ROWS) {
            let (rows, places): (Vec<LogitRow>, Vec<u32>) = wanted.iter().copied().unzip();
            let logits = self.decoder.logits(&hidden, &places, &wear).map_err(failed)?;
            let mut logits = slice_of(&logits, <[f32]>::to_vec).map_err(failed)?;
            sink(&rows, &mut logits);
        }
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> RunError {
    RunError(error.to_string())
}

/// The batch's tokens, row by row.
struct Rows {
    ids: Vec<u32>,
    positions: Vec<u32>,
    /// Where each row's key and value go: `block * BLOCK_SIZE + offset`.
    slots: Vec<u32>,
    /// The rows of each chunk.
    of_chunk: Vec<Range<usize>>,
    /// The rows whose logits are wanted: by chunk and by place in the step.
    wanted: Vec<(LogitRow, u32)>,
}

impl Rows {
    fn of(batch: &[BatchChunk<'_>]) -> Self {
        let (ids, positions, slots) = (Vec::new(), Vec::new(), Vec::new());
        let mut rows = Self { ids, positions, slots, of_chunk: Vec::new(), wanted: Vec::new() };
        for (index, chunk) in batch.iter().enumerate() {
            rows.push(index, chunk);
        }
        rows
    }

    fn push(&mut self, index: usize, chunk: &BatchChunk<'_>) {
        let start = self.ids.len();
        self.ids.extend(chunk.tokens);
        for position in chunk.first_position..chunk.first_position + chunk.tokens.len() {
            let block = chunk.block_table[position / BLOCK_SIZE];
            // Both fit: the number of slots is bounded by `EngineConfig::resolve`.
            self.positions.push(position as u32);
            self.slots.push(block * BLOCK_SIZE as u32 + (position % BLOCK_SIZE) as u32);
        }
        self.of_chunk.push(start..self.ids.len());
        let wanted = chunk.logit_rows.clone();
        self.wanted
            .extend(wanted.map(|row| (LogitRow { chunk: index, row }, (start + row) as u32)));
    }
}

/// What the rows wear; neighbours of one generation become one range.
fn worn(batch: &[BatchChunk<'_>], rows: &[Range<usize>]) -> Vec<Worn> {
    let mut worn: Vec<Worn> = Vec::new();
    for (chunk, rows) in batch.iter().zip(rows) {
        let Some(generation) = chunk.adapter else { continue };
        match worn.last_mut() {
            Some(last)
                if last.rows.end == rows.start
                    && Arc::ptr_eq(&last.adapter, &generation.weights) =>
            {
                last.rows.end = rows.end;
            }
            _ => {
                worn.push(Worn { rows: rows.clone(), adapter: Arc::clone(&generation.weights) });
            }
        }
    }
    worn
}

fn seq_rows<'a>(batch: &[BatchChunk<'a>], rows: &[Range<usize>]) -> Vec<SeqRows<'a>> {
    let chunks = batch.iter().zip(rows);
    chunks
        .map(|(chunk, rows)| SeqRows {
            rows: rows.clone(),
            first_position: chunk.first_position,
            blocks: chunk.block_table,
        })
        .collect()
}
