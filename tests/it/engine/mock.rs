//! A mock model that keeps "keys and values" as plain records, so that a row computed over the
//! wrong history, another adapter's cache or a block given away is found at once.

use super::support::{Answer, EOS, VOCAB, tokenizer};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, channel};
use wardrobe::adapters::GenerationId;
use wardrobe::engine::{
    BLOCK_SIZE, BatchChunk, Engine, EngineInfo, Event, LogitRow, LogitSink, PrefixCaching,
    QueueBound, Request, RunError, Runner, SchedulerLimits, Submission, max_events,
};
use wardrobe::model::Tokenizer;

static TOKENIZER: LazyLock<Arc<Tokenizer>> = LazyLock::new(tokenizer);

/// Runs no model: logits are a hash of the whole history that the blocks hold.
#[derive(Default)]
pub(crate) struct MockRunner {
    pub(crate) slots: HashMap<usize, (u32, usize, Option<GenerationId>)>,
    /// Steps to fail, counted down.
    pub(crate) fail_in: Option<usize>,
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
        logits[EOS as usize] -= 1.0;
        if let Some(script) = self.script {
            logits[script(position) as usize] = 100.0;
        }
        logits
    }
}

/// An engine over the mock, driven step by step.
pub(crate) struct MockEngine {
    pub(crate) engine: Engine<MockRunner>,
    queue: QueueBound,
}

/// The size of a [`MockEngine`].
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) num_blocks: usize,
    pub(crate) max_num_seqs: usize,
    pub(crate) max_num_batched_tokens: usize,
    pub(crate) prefix_caching: PrefixCaching,
}

pub(crate) const ROOMY: Size = Size {
    num_blocks: 1000,
    max_num_seqs: 16,
    max_num_batched_tokens: 2000,
    prefix_caching: PrefixCaching::On,
};

impl MockEngine {
    pub(crate) fn new(size: Size) -> Self {
        Self::with(MockRunner::default(), size)
    }

    pub(crate) fn with(runner: MockRunner, size: Size) -> Self {
        let info = EngineInfo {
            model_name: "base".to_owned(),
            vocab_size: VOCAB,
            max_model_len: size.num_blocks * BLOCK_SIZE,
            num_blocks: size.num_blocks,
            block_size: BLOCK_SIZE,
            block_bytes: 1,
            limits: SchedulerLimits {
                max_num_seqs: size.max_num_seqs,
                max_num_batched_tokens: size.max_num_batched_tokens,
            },
            max_queue: 1000,
            prefix_caching: size.prefix_caching,
            eos_token_ids: vec![EOS],
        };
        let engine = Engine::new(runner, Arc::clone(&TOKENIZER), Arc::new(info));
        Self { engine, queue: QueueBound::new(1000) }
    }

    pub(crate) fn add(&mut self, request: Request) -> Receiver<Event> {
        let (events, receiver) = channel(max_events(&request));
        let ticket = self.queue.enter().unwrap();
        self.engine.add(Submission { request, events, ticket, submitted_at: Instant::now() });
        receiver
    }

    pub(crate) fn step(&mut self) {
        self.engine.step();
        self.engine.scheduler().check_invariants();
    }

    /// Runs until nothing is left and returns whole answers.
    pub(crate) fn finish(&mut self, receivers: Vec<Receiver<Event>>) -> Vec<Answer> {
        for _ in 0..100_000 {
            if self.engine.is_idle() {
                return receivers.into_iter().map(collect).collect();
            }
            self.step();
        }
        panic!("the engine never became idle");
    }

    /// The answers of a batch of requests that arrive together.
    pub(crate) fn answer(&mut self, requests: &[Request]) -> Vec<Answer> {
        let receivers = requests.iter().map(|request| self.add(request.clone())).collect();
        self.finish(receivers)
    }
}

/// Everything one request's channel holds.
pub(crate) fn collect(mut receiver: Receiver<Event>) -> Answer {
    let mut answer = Answer::default();
    while let Ok(event) = receiver.try_recv() {
        answer.take(event);
    }
    answer
}
