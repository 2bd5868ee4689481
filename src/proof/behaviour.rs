//! A package run beside base + adapter as served: the same tokens through both, and the answers that
//! each would give.

use super::Result;
use crate::model::{AdapterWeights, Decoder, Kv, KvCache, Step, Wear, Worn, slice_of};
use formats::ModelConfig;
use kernels::{BLOCK, SeqRows, log_softmax_stats};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

/// Rows whose logits exist at once.
const HEAD_ROWS: usize = 32;

/// Tokens of prompts and answers that run together, unless one prompt alone has more.
const TOGETHER: usize = 1024;

/// A model as it answers: a decoder and what its rows wear.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The model.
    pub decoder: Arc<Decoder>,
    /// The adapter; `None` for the model alone.
    pub adapter: Option<Arc<AdapterWeights>>,
}

/// How alike two models answer. Distributions are compared at every position of prompts and answers.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Behaviour {
    /// Positions compared.
    pub positions: usize,
    /// Share of positions at which both find the same token likeliest.
    pub top1_agreement: f64,
    /// Mean over positions of KL(served ‖ package), in nats.
    pub mean_kl: f64,
    /// Its largest value.
    pub max_kl: f64,
    /// Tokens that the served model answers greedily, over all prompts.
    pub greedy_tokens: usize,
    /// How many of them the package would answer too, up to its first other token in each answer.
    pub greedy_same: usize,
}

/// What one model said to prompts: its greedy answers, and its logits at every position of both. The
/// logits lie in a temporary file, so that the other model can be loaded when this one is gone.
pub struct Recording {
    prompts: Vec<Vec<u32>>,
    answers: Vec<Vec<u32>>,
    vocab: usize,
    logits: fs_err::File,
}

/// Answers each of `prompts` greedily, up to `answer` tokens or one of `stops`, and records it in a
/// nameless file of the folder `room`.
///
/// # Errors
/// Tokens outside the vocabulary; a model that cannot be run; a file that cannot be written.
pub fn record(
    served: &Subject,
    prompts: &[Vec<u32>],
    (answer, stops): (usize, &[u32]),
    room: &Path,
) -> Result<Recording> {
    let answers = served.answer(prompts, answer, stops)?;
    let file = fs_err::File::from_parts(tempfile::tempfile_in(room)?, room.join("a recording"));
    let mut out = BufWriter::new(file);
    for (prompt, answer) in prompts.iter().zip(&answers) {
        served.each_logits(&[prompt.as_slice(), answer].concat(), &mut |_, logits| {
            Ok(out.write_all(&little_endian(logits))?)
        })?;
    }
    let logits = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    let (prompts, vocab) = (prompts.to_vec(), served.decoder.config().vocab_size);
    Ok(Recording { prompts, answers, vocab, logits })
}

impl Recording {
    /// Runs `package` over the same tokens and compares.
    ///
    /// # Errors
    /// As [`record`].
    pub fn compare(&self, package: &Subject) -> Result<Behaviour> {
        let mut file = &self.logits;
        file.seek(SeekFrom::Start(0))?;
        let mut recorded = BufReader::new(file);
        let (mut bytes, mut ours) = (vec![0; 4 * self.vocab], vec![0.0; self.vocab]);
        let mut sum = Sum::default();
        for (prompt, answer) in self.prompts.iter().zip(&self.answers) {
            let ids = [prompt.as_slice(), answer].concat();
            sum.greedy_tokens += answer.len();
            sum.greedy_same += answer.len();
            let mut differs = false;
            package.each_logits(&ids, &mut |position, theirs| {
                recorded.read_exact(&mut bytes)?;
                for (value, bytes) in ours.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
                let likeliest = sum.add(&ours, theirs);
                // Logits at the position before a token decide it.
                let at = (position + 1).checked_sub(prompt.len());
                if let Some(token) = at.and_then(|at| answer.get(at)) {
                    differs |= likeliest != *token;
                    sum.greedy_same -= usize::from(differs);
                }
                Ok(())
            })?;
        }
        Ok(sum.finish())
    }
}

/// Bytes that running a model over prompts of at most `longest` tokens takes beside its weights: keys
/// and values, what lies between its layers, and logits.
pub(super) fn working_memory(config: &ModelConfig, longest: usize) -> usize {
    let rows = TOGETHER.max(longest);
    let cache = rows.div_ceil(BLOCK) * KvCache::block_bytes(config);
    let between = rows * (2 * config.intermediate_size + 6 * config.hidden_size);
    // As the head gives them, in a row, and of both models.
    let logits = (2 * HEAD_ROWS + 2) * config.vocab_size;
    cache + (between + logits) * size_of::<f32>()
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[derive(Default)]
struct Sum {
    positions: usize,
    same: usize,
    kl: f64,
    max_kl: f64,
    greedy_tokens: usize,
    greedy_same: usize,
}

impl Sum {
    /// Takes in one position's logits on both sides; returns what the second finds likeliest.
    fn add(&mut self, ours: &[f32], theirs: &[f32]) -> u32 {
        let (p, q) = (log_softmax_stats(ours), log_softmax_stats(theirs));
        let log_p = |x: &f32| f64::from(x - p.log_sum_exp);
        let log_q = |x: &f32| f64::from(x - q.log_sum_exp);
        let terms = ours.iter().zip(theirs).map(|(a, b)| log_p(a).exp() * (log_p(a) - log_q(b)));
        let sum = terms.sum::<f64>();
        // Rounding may leave it a hair below zero; what is no number must stay so.
        let kl = if sum < 0.0 { 0.0 } else { sum };
        self.positions += 1;
        self.same += usize::from(p.argmax == q.argmax);
        self.kl += kl;
        self.max_kl = if kl > self.max_kl { kl } else { self.max_kl };
        // A vocabulary fits in a token id.
        q.argmax as u32
    }

    fn finish(self) -> Behaviour {
        let positions = self.positions.max(1) as f64;
        Behaviour {
            positions: self.positions,
            top1_agreement: self.same as f64 / positions,
            mean_kl: self.kl / positions,
            max_kl: self.max_kl,
            greedy_tokens: self.greedy_tokens,
            greedy_same: self.greedy_same,
        }
    }
}

/// Takes a position and the logits there.
type EachLogits<'a> = dyn FnMut(usize, &[f32]) -> Result<()> + 'a;

fn wear(worn: &[Worn]) -> Wear<'_> {
    if worn.is_empty() { Wear::Base } else { Wear::Adapters(worn) }
}

impl Subject {
    fn worn(&self, rows: usize) -> Vec<Worn> {
        let adapter = self.adapter.iter();
        adapter.map(|adapter| Worn { rows: 0..rows, adapter: Arc::clone(adapter) }).collect()
    }

    /// Hands `each` the logits at every position of one sequence.
    fn each_logits(&self, ids: &[u32], each: &mut EachLogits) -> Result<()> {
        let positions: Vec<u32> = (0..).take(ids.len()).collect();
        let worn = self.worn(ids.len());
        let wear = wear(&worn);
        let kv = Kv::Fresh { lens: &[ids.len()] };
        let hidden = self.decoder.hidden(&Step { ids, positions: &positions, wear, kv })?;
        let vocab = self.decoder.config().vocab_size;
        for rows in positions.chunks(HEAD_ROWS) {
            let logits = self.decoder.logits(&hidden, rows, &wear)?;
            let logits = slice_of(&logits, <[f32]>::to_vec).map_err(crate::model::Error::from)?;
            for (&row, logits) in rows.iter().zip(logits.chunks_exact(vocab)) {
                each(row as usize, logits)?;
            }
        }
        Ok(())
    }

    /// Greedy answers to all prompts, each without the stop that ended it.
    fn answer(&self, prompts: &[Vec<u32>], most: usize, stops: &[u32]) -> Result<Vec<Vec<u32>>> {
        let mut answers = Vec::with_capacity(prompts.len());
        while answers.len() < prompts.len() {
            let left = &prompts[answers.len()..];
            let group = &left[..together(left, most)];
            answers.extend(self.answer_at_once(group, most, stops)?);
        }
        Ok(answers)
    }

    fn answer_at_once(
        &self,
        prompts: &[Vec<u32>],
        most: usize,
        stops: &[u32],
    ) -> Result<Vec<Vec<u32>>> {
        let mut batch = Batch::new(self, prompts, most);
        let mut next = batch.step(self, prompts)?;
        let mut answers = vec![Vec::new(); prompts.len()];
        let mut running = vec![true; prompts.len()];
        for _ in 0..most {
            for (i, &token) in next.iter().enumerate() {
                running[i] &= !stops.contains(&token);
                if running[i] {
                    answers[i].push(token);
                }
            }
            if !running.contains(&true) || answers.iter().any(|answer| answer.len() == most) {
                break;
            }
            let last: Vec<Vec<u32>> = next.iter().map(|&token| vec![token]).collect();
            next = batch.step(self, &last)?;
        }
        Ok(answers)
    }
}

/// How many of the first prompts run together with answers of up to `most` tokens.
fn together(prompts: &[Vec<u32>], most: usize) -> usize {
    let mut tokens = 0;
    let fits = |prompt: &&Vec<u32>| {
        tokens += prompt.len() + most;
        tokens <= TOGETHER
    };
    prompts.iter().take_while(fits).count().max(1)
}

/// Sequences that run together on a cache of their own.
struct Batch {
    cache: KvCache,
    blocks: Vec<Vec<u32>>,
    lens: Vec<usize>,
}

impl Batch {
    fn new(model: &Subject, prompts: &[Vec<u32>], most: usize) -> Self {
        let mut free = 0..;
        let blocks = prompts.iter().map(|prompt| {
            let count = (prompt.len() + most).div_ceil(BLOCK);
            free.by_ref().take(count).collect::<Vec<u32>>()
        });
        let blocks: Vec<Vec<u32>> = blocks.collect();
        let cache = model.decoder.kv_cache(blocks.iter().map(Vec::len).sum());
        Self { cache, blocks, lens: vec![0; prompts.len()] }
    }

    /// Runs `new` tokens of each sequence; returns the likeliest next token of each.
    fn step(&mut self, model: &Subject, new: &[Vec<u32>]) -> Result<Vec<u32>> {
        let (mut ids, mut positions, mut slots) = (Vec::new(), Vec::new(), Vec::new());
        let (mut seqs, mut last) = (Vec::new(), Vec::new());
        for (i, tokens) in new.iter().enumerate() {
            let first = self.lens[i];
            let start = ids.len();
            ids.extend(tokens);
            for position in first..first + tokens.len() {
                // Prompts are short: positions and slots fit.
                positions.push(position as u32);
                let block = self.blocks[i][position / BLOCK];
                slots.push(block * BLOCK as u32 + (position % BLOCK) as u32);
            }
            let rows = start..ids.len();
            last.push(rows.end as u32 - 1);
            seqs.push(SeqRows { rows, first_position: first, blocks: &self.blocks[i] });
            self.lens[i] += tokens.len();
        }
        let worn = model.worn(ids.len());
        let wear = wear(&worn);
        let kv = Kv::Paged { cache: &self.cache, slots: &slots, seqs: &seqs };
        let step = Step { ids: &ids, positions: &positions, wear, kv };
        let hidden = model.decoder.hidden(&step)?;
        let logits = model.decoder.logits(&hidden, &last, &wear)?;
        let logits = slice_of(&logits, <[f32]>::to_vec).map_err(crate::model::Error::from)?;
        let rows = logits.chunks_exact(model.decoder.config().vocab_size);
        Ok(rows.map(|row| log_softmax_stats(row).argmax as u32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_run_together_as_far_as_memory_is_meant_for_them() {
        let of = |lengths: &[usize]| lengths.iter().map(|&len| vec![0; len]).collect::<Vec<_>>();
        assert_eq!(together(&of(&[100; 20]), 28), 8);
        assert_eq!(together(&of(&[500, 400, 60]), 32), 2);
        assert_eq!(together(&of(&[5000, 1]), 32), 1);
        assert_eq!(together(&of(&[3]), 32), 1);
    }
}
