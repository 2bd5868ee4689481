//! The loop's body: [`Engine::step`] schedules, runs, samples and post-processes. Synchronous, and
//! owned by one thread; [`super::handle`] is how all others speak to it.

use super::answer::{Answer, End, Submission, TokenTiming};
use super::batch::{BatchChunk, LogitRow, Runner};
use super::block_manager::BlockManager;
use super::choice::{Choice, choose};
use super::config::EngineInfo;
use super::request::FinishReason;
use super::retired::KnownGenerations;
use super::sampler::SampleError;
use super::scheduler::{ScheduledChunk, Scheduler};
use super::sequence::{Sequence, SequenceId};
use super::stats::EngineStats;
use crate::model::Tokenizer;
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelRefIterator, ParallelExtend, ParallelIterator,
    ParallelSliceMut,
};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Logits from which rows are worth spreading over threads (some hundred microseconds of work).
const PARALLEL_LOGITS: usize = 1 << 17;

/// A model and all that it is doing.
pub struct Engine<R> {
    info: Arc<EngineInfo>,
    scheduler: Scheduler,
    runner: R,
    tokenizer: Arc<Tokenizer>,
    answers: HashMap<SequenceId, Answer>,
    generations: KnownGenerations,
    stats: Arc<Mutex<EngineStats>>,
    next_id: u64,
}

impl<R: Runner> Engine<R> {
    /// An engine with nothing to do. `runner` must have the `num_blocks` of `info`.
    pub fn new(runner: R, tokenizer: Arc<Tokenizer>, info: Arc<EngineInfo>) -> Self {
        let num_blocks = u32::try_from(info.num_blocks).unwrap_or(u32::MAX);
        let blocks = BlockManager::new(num_blocks, info.prefix_caching);
        Self {
            scheduler: Scheduler::new(info.limits, blocks),
            runner,
            tokenizer,
            answers: HashMap::new(),
            generations: KnownGenerations::default(),
            stats: Arc::new(Mutex::new(EngineStats::new(info.num_blocks))),
            next_id: 0,
            info,
        }
    }

    /// The counters, shared with whoever reports them.
    pub fn stats(&self) -> Arc<Mutex<EngineStats>> {
        Arc::clone(&self.stats)
    }

    /// Waiting and running sequences.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.scheduler.is_empty()
    }

    /// Takes a request in. It was checked by who submitted it.
    pub fn add(&mut self, submission: Submission) {
        let id = SequenceId(self.next_id);
        self.next_id += 1;
        let mut answer = Answer::new(&submission, &self.tokenizer);
        answer.ticket = Some(submission.ticket);
        let request = submission.request;
        if let Some(generation) = &request.adapter {
            self.generations.note(generation);
        }
        lock(&self.stats).model(model_name(&self.info, &answer)).requests += 1;
        let seed = request.params.seed.unwrap_or_else(fresh_seed);
        let adapter = request.adapter.map(|generation| generation.id);
        let sequence = Sequence::new(id, request.prompt, adapter, request.params, seed);
        if sequence.wants_prompt_logprobs() {
            answer.push_prompt_logprob(&sequence, None);
        }
        self.scheduler.add(sequence);
        self.answers.insert(id, answer);
    }

    /// Advances every scheduled sequence by one chunk or one token.
    pub fn step(&mut self) {
        self.drop_abandoned();
        for retired in self.generations.take_retired() {
            self.scheduler.blocks_mut().forget(retired);
        }
        let chunks = self.scheduler.schedule();
        self.note_admitted(&chunks);
        if !chunks.is_empty() {
            match self.run(&chunks) {
                Ok(choices) => self.post_process(&chunks, choices),
                Err(message) => self.fail_step(&chunks, &message),
            }
        }
        self.publish_gauges();
    }

    /// Ends every sequence now.
    pub fn abort_all(&mut self) {
        for id in self.answers.keys().copied().collect::<Vec<_>>() {
            self.end(id, Ok(End { reason: FinishReason::Aborted, stop: None }));
        }
        self.publish_gauges();
    }

    /// Frees what nobody waits for any more.
    fn drop_abandoned(&mut self) {
        let gone = self.answers.iter().filter(|(_, answer)| answer.is_abandoned());
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, Ok(End { reason: FinishReason::Aborted, stop: None }));
        }
    }

    /// Counts the prompts of sequences that run for the first time and frees their places in the
    /// queue.
    fn note_admitted(&mut self, chunks: &[ScheduledChunk]) {
        for chunk in chunks {
            let sequence = &self.scheduler.running()[chunk.index];
            let Some(answer) = self.answers.get_mut(&sequence.id) else { continue };
            if answer.ticket.take().is_some() {
                let mut stats = lock(&self.stats);
                let counts = stats.model(model_name(&self.info, answer));
                counts.prompt_tokens += sequence.prompt().len() as u64;
                counts.cached_tokens += sequence.num_cached_tokens.unwrap_or(0) as u64;
            }
        }
    }

    /// Runs the model over the chunks and chooses what each wanted row of logits becomes.
    fn run(&mut self, chunks: &[ScheduledChunk]) -> Result<Vec<(LogitRow, Choice)>, String> {
        let sequences = self.scheduler.running();
        let batch: Vec<BatchChunk<'_>> = chunks
            .iter()
            .map(|chunk| batch_chunk(chunk, &sequences[chunk.index], &self.answers))
            .collect();
        let vocab_size = self.runner.vocab_size();
        let eos_token_ids = &self.info.eos_token_ids;
        let mut choices = Vec::new();
        let choose_row = |(row, logits): (&LogitRow, &mut [f32])| {
            let chunk = &chunks[row.chunk];
            let position = chunk.first_position + row.row;
            (*row, choose(logits, &sequences[chunk.index], position, eos_token_ids))
        };
        let mut sink = |rows: &[LogitRow], logits: &mut [f32]| {
            if logits.len() < PARALLEL_LOGITS || rows.len() == 1 {
                let logits = logits.chunks_mut(vocab_size);
                choices.extend(rows.iter().zip(logits).map(choose_row));
            } else {
                let logits = logits.par_chunks_mut(vocab_size);
                choices.par_extend(rows.par_iter().zip(logits).map(choose_row));
            }
        };
        self.runner.run(&batch, &mut sink).map_err(|error| error.to_string())?;
        Ok(choices)
    }

    fn post_process(&mut self, chunks: &[ScheduledChunk], choices: Vec<(LogitRow, Choice)>) {
        let mut ended: Vec<(SequenceId, Result<End, String>)> = Vec::new();
        for (row, choice) in choices {
            let index = chunks[row.chunk].index;
            if let Some(end) = self.take_choice(index, choice) {
                ended.push((self.scheduler.running()[index].id, end));
            }
        }
        // A request that only wants its prompt computed has no token to end it.
        for chunk in chunks {
            let sequence = &self.scheduler.running()[chunk.index];
            if sequence.params.max_tokens == 0 && sequence.num_pending_tokens() == 0 {
                ended.push((sequence.id, Ok(End { reason: FinishReason::Length, stop: None })));
            }
        }
        ended.into_iter().for_each(|(id, end)| self.end(id, end));
        lock(&self.stats).num_steps += 1;
    }

    /// Takes in what one row became, and says how its sequence ended if it did.
    fn take_choice(&mut self, index: usize, choice: Choice) -> Option<Result<End, String>> {
        let sequence = self.scheduler.running_mut(index);
        let answer = self.answers.get_mut(&sequence.id)?;
        let (id, logprob) = match choice {
            Choice::Scored(logprob) => {
                sequence.num_scored_rows += 1;
                answer.push_prompt_logprob(sequence, Some(logprob));
                return None;
            }
            Choice::Sampled { id, logprob } => (id, logprob),
            Choice::Failed(error) => return Some(Err(failure(error, answer))),
        };
        sequence.tokens.push(id);
        let mut stats = lock(&self.stats);
        stats.model(model_name(&self.info, answer)).generation_tokens += 1;
        match answer.time_token() {
            TokenTiming::First(wait) => stats.time_to_first_token.observe(wait.as_secs_f64()),
            TokenTiming::Next(wait) => stats.inter_token_latency.observe(wait.as_secs_f64()),
        }
        answer
            .push_token(sequence, &self.info.eos_token_ids, logprob)
            .map_err(|error| error.to_string())
            .transpose()
    }

    /// Ends the sequences of a step that could not be run. What the step was to put into the
    /// blocks may be missing, so nothing of the prefix cache is trusted any more.
    fn fail_step(&mut self, chunks: &[ScheduledChunk], message: &str) {
        self.scheduler.blocks_mut().reset_prefix_cache();
        let running = self.scheduler.running();
        for id in chunks.iter().map(|chunk| running[chunk.index].id).collect::<Vec<_>>() {
            self.end(id, Err(message.to_owned()));
        }
    }

    /// Takes a sequence out and tells its client how it ended.
    fn end(&mut self, id: SequenceId, end: Result<End, String>) {
        let (sequence, answer) = (self.scheduler.remove(id), self.answers.remove(&id));
        let (Some(sequence), Some(answer)) = (sequence, answer) else { return };
        let mut stats = lock(&self.stats);
        let reason = end.as_ref().ok().map(|end| end.reason);
        stats.count_end(reason);
        if matches!(reason, Some(FinishReason::Stop | FinishReason::Length)) {
            stats.request_latency.observe(answer.submitted_at.elapsed().as_secs_f64());
        }
        match end {
            Ok(end) => answer.finish(&sequence, end),
            Err(message) => answer.fail(message),
        }
    }

    fn publish_gauges(&self) {
        let blocks = self.scheduler.blocks();
        let mut stats = lock(&self.stats);
        stats.num_requests_running = self.scheduler.running().len();
        stats.num_requests_waiting = self.scheduler.waiting().len();
        stats.num_used_blocks = blocks.num_used_blocks();
        stats.num_cached_blocks = blocks.num_cached_blocks();
        stats.prefix_cache = blocks.prefix_stats();
        stats.num_preemptions = self.scheduler.num_preemptions();
    }
}

/// Why no token could be chosen, and whose weights to look at.
fn failure(error: SampleError, answer: &Answer) -> String {
    match (error, &answer.adapter) {
        (SampleError::NotFinite, Some(generation)) => {
            format!("{error}: check the weights of the adapter {}", generation.name)
        }
        (SampleError::NotFinite, None) => format!("{error}: check the base model's weights"),
        (SampleError::NothingAllowed, _) => error.to_string(),
    }
}

/// The counters; a thread that died while it held them left them readable.
pub(super) fn lock(stats: &Mutex<EngineStats>) -> MutexGuard<'_, EngineStats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}

fn model_name<'a>(info: &'a EngineInfo, answer: &'a Answer) -> &'a str {
    answer.adapter.as_ref().map_or(&info.model_name, |generation| &generation.name)
}

fn batch_chunk<'a>(
    chunk: &ScheduledChunk,
    sequence: &'a Sequence,
    answers: &'a HashMap<SequenceId, Answer>,
) -> BatchChunk<'a> {
    let positions = chunk.first_position..chunk.first_position + chunk.num_tokens;
    BatchChunk {
        tokens: &sequence.tokens[positions.clone()],
        first_position: chunk.first_position,
        block_table: &sequence.block_table,
        adapter: answers.get(&sequence.id).and_then(|answer| answer.adapter.as_ref()),
        logit_rows: logit_rows(sequence, positions),
    }
}

/// Rows of a chunk whose logits are wanted: those that score a prompt token not scored yet, and
/// the row of the sequence's last token, which chooses the next one.
fn logit_rows(sequence: &Sequence, positions: Range<usize>) -> Range<usize> {
    let last = sequence.tokens.len() - 1;
    let end = if sequence.params.max_tokens > 0 { last + 1 } else { last };
    let is_scoring = sequence.wants_prompt_logprobs() && sequence.output().is_empty();
    let start = if is_scoring { sequence.num_scored_rows } else { last };
    let clamp = |position: usize| position.clamp(positions.start, positions.end) - positions.start;
    clamp(start)..clamp(end)
}

/// A seed for a request that brought none.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::SystemTime::now())
}
