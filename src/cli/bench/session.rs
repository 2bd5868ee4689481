//! A model in its engine, as `serve` runs it, and timed work for it. The engine is stepped here, in
//! place of its thread, so that clocks stop when a step ends; HTTP and channels between threads are
//! left out of every figure.

use super::random::Random;
use crate::adapters::{BaseInfo, Generation, Limits, Registry};
use crate::engine::{
    Engine, EngineConfig, Event, KvMemory, ModelLimits, ModelRunner, QueueBound, Request,
    SamplingParams, Submission, max_events,
};
use crate::model::{Decoder, Tokenizer, WeightFormat};
use anyhow::{Context, Result, bail};
use formats::ModelConfig;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, channel, error::TryRecvError};

/// Least tokens of key/value cache; memory is taken only as it is used.
const KV_TOKENS: usize = 1 << 14;

/// A loaded model, its engine and its adapters.
pub(super) struct Session {
    pub(super) config: ModelConfig,
    pub(super) registry: Registry,
    engine: Engine<ModelRunner>,
}

/// One request: random tokens in, exactly so many tokens out.
pub(super) struct Work {
    pub(super) prompt: Vec<u32>,
    pub(super) generate: usize,
    pub(super) adapter: Option<Arc<Generation>>,
}

/// When the requests of one batch had their tokens.
#[derive(Debug)]
pub(super) struct Timeline {
    submitted: Instant,
    /// When every request had its first token, its second ...
    rounds: Vec<Instant>,
}

impl Timeline {
    /// From submission until every request had its first token.
    pub(super) fn prefill(&self) -> Duration {
        self.rounds.first().map_or(Duration::ZERO, |first| *first - self.submitted)
    }

    /// Tokens a second of one sequence, from every request's first token to every request's last.
    pub(super) fn decode_per_second(&self) -> f64 {
        match (self.rounds.first(), self.rounds.last()) {
            (Some(first), Some(last)) => {
                (self.rounds.len() - 1) as f64 / (*last - *first).as_secs_f64()
            }
            _ => f64::NAN,
        }
    }
}

impl Session {
    /// Loads the model and makes its engine, with room for `tokens` in the cache.
    ///
    /// # Errors
    /// When the folder is not a model that this program runs.
    pub(super) fn start(model: &Path, weights: WeightFormat, tokens: usize) -> Result<Self> {
        let decoder = Arc::new(Decoder::load(model, weights)?);
        let tokenizer = Arc::new(Tokenizer::load(model)?);
        let limits = Limits { max_adapters: 1024, max_bytes: usize::MAX };
        let registry = Registry::new(Arc::new(BaseInfo::open(model, "base")?), limits);
        let config = EngineConfig {
            kv_memory: KvMemory::Tokens(tokens.max(KV_TOKENS)),
            ..EngineConfig::default()
        };
        let info = Arc::new(config.resolve(&ModelLimits::of(decoder.config()))?);
        let config = decoder.config().clone();
        let runner = ModelRunner::new(decoder, info.num_blocks);
        Ok(Self { config, registry, engine: Engine::new(runner, tokenizer, info) })
    }

    /// A request with a random prompt; `seed` decides its tokens.
    pub(super) fn work(&self, prompt: usize, generate: usize, seed: u64) -> Work {
        let prompt = Random::named(seed, "prompt").ids(prompt, self.config.vocab_size);
        Work { prompt, generate, adapter: None }
    }

    /// Runs the requests together, greedily and to their full length.
    ///
    /// # Errors
    /// When the engine fails one of them.
    pub(super) fn run(&mut self, batch: Vec<Work>) -> Result<Timeline> {
        let length = batch.iter().map(|work| work.generate).max().unwrap_or(0);
        let queue = QueueBound::new(batch.len());
        let submitted = Instant::now();
        let mut answers =
            batch.into_iter().map(|work| self.submit(work, &queue)).collect::<Result<Vec<_>>>()?;
        let mut rounds = Vec::with_capacity(length);
        while !self.engine.is_idle() {
            self.engine.step();
            answers.iter_mut().try_for_each(Answer::listen)?;
            let tokens = answers.iter().map(|answer| answer.tokens).min().unwrap_or(0);
            rounds.resize_with(tokens, Instant::now);
        }
        if rounds.len() != length {
            bail!("a benchmark's request ended after {} of {length} tokens", rounds.len());
        }
        Ok(Timeline { submitted, rounds })
    }

    fn submit(&mut self, work: Work, queue: &QueueBound) -> Result<Answer> {
        let params = SamplingParams {
            temperature: 0.0,
            max_tokens: work.generate,
            ignore_eos: true,
            ..SamplingParams::default()
        };
        let request = Request { prompt: work.prompt, params, adapter: work.adapter };
        let (sender, events) = channel(max_events(&request));
        let ticket = queue.enter().context("a benchmark's own queue is full")?;
        let submission =
            Submission { request, events: sender, ticket, submitted_at: Instant::now() };
        self.engine.add(submission);
        Ok(Answer { events, tokens: 0 })
    }
}

/// What one request has had so far.
struct Answer {
    events: Receiver<Event>,
    tokens: usize,
}

impl Answer {
    /// Takes what the last step sent.
    fn listen(&mut self) -> Result<()> {
        loop {
            match self.events.try_recv() {
                Ok(Event::Token { .. }) => self.tokens += 1,
                Ok(Event::Failed { message }) => bail!("a benchmark's request failed: {message}"),
                Ok(Event::Prompt { .. } | Event::Finished { .. }) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }
}
