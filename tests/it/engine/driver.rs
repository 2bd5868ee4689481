//! Drives an engine without its thread, one checked step at a time.

use super::support::{Answer, tokenizer};
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, channel};
use wardrobe::engine::{
    BLOCK_SIZE, Engine, EngineInfo, Event, PrefixCaching, QueueBound, Request, Runner,
    SchedulerLimits, Submission, max_events,
};
use wardrobe::model::Tokenizer;

static TOKENIZER: LazyLock<Arc<Tokenizer>> = LazyLock::new(tokenizer);

/// An engine, driven step by step.
pub(crate) struct Driver<R> {
    pub(crate) engine: Engine<R>,
    queue: QueueBound,
}

/// The size of an engine.
#[derive(Clone, Copy, Debug)]
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

impl<R: Runner> Driver<R> {
    /// An engine whose end-of-sequence token is `eos`.
    pub(crate) fn new(runner: R, eos: u32, size: Size) -> Self {
        let info = EngineInfo {
            model_name: "base".to_owned(),
            vocab_size: runner.vocab_size(),
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
            eos_token_ids: vec![eos],
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
