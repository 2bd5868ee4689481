//! How all threads speak to the one that owns the model: submit, listen, count, stop.

use super::answer::{Submission, max_events};
use super::batch::Runner;
use super::config::{ConfigError, EngineConfig, EngineInfo, ModelLimits};
use super::engine::{Engine, lock};
use super::model_runner::ModelRunner;
use super::queue::QueueBound;
use super::request::{Event, Request, SubmitError};
use super::stats::EngineStats;
use crate::adapters::Registry;
use crate::model::{Decoder, Tokenizer};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::mpsc;

/// An engine that could not start, or whose thread died.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Limits that cannot be kept.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operating system gave no thread.
    #[error("could not start the engine's thread")]
    Thread(#[from] std::io::Error),
    /// The thread panicked; its requests ended without an answer.
    #[error("the engine's thread panicked; this is a bug, please report the message above")]
    Panicked,
}

/// Starts the thread that owns `decoder`. It ends after [`EngineHandle::drain`] or
/// [`EngineHandle::stop`], or when every handle is gone and nothing is left to do.
///
/// # Errors
/// When the limits contradict each other or the model, or no thread can be had.
pub fn start(
    decoder: Arc<Decoder>,
    tokenizer: Arc<Tokenizer>,
    registry: Registry,
    config: &EngineConfig,
) -> Result<(EngineHandle, EngineThread), EngineError> {
    let info = config.resolve(&ModelLimits::of(decoder.config()))?;
    let runner = ModelRunner::new(decoder, info.num_blocks);
    start_runner(runner, tokenizer, registry, info)
}

/// [`start`] for any runner, which must have the `num_blocks` of `info`.
///
/// # Errors
/// When no thread can be had.
pub fn start_runner<R: Runner + 'static>(
    runner: R,
    tokenizer: Arc<Tokenizer>,
    registry: Registry,
    info: EngineInfo,
) -> Result<(EngineHandle, EngineThread), EngineError> {
    let info = Arc::new(info);
    let engine = Engine::new(runner, tokenizer, Arc::clone(&info));
    // Tickets bound the submissions in the channel; one more place is for the wake-up.
    let (sender, inbox) = sync_channel(info.max_queue + 1);
    let handle = EngineHandle {
        queue: QueueBound::new(info.max_queue),
        stats: engine.stats(),
        shutdown: Arc::default(),
        info,
        sender,
        registry,
    };
    let shutdown = Arc::clone(&handle.shutdown);
    let body = move || serve(engine, &inbox, &shutdown);
    let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(body)?;
    Ok((handle, EngineThread(thread)))
}

/// Speaks to a running engine; cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    info: Arc<EngineInfo>,
    stats: Arc<Mutex<EngineStats>>,
    queue: QueueBound,
    shutdown: Arc<Shutdown>,
    sender: SyncSender<Command>,
    registry: Registry,
}

/// The engine's thread.
#[derive(Debug)]
pub struct EngineThread(JoinHandle<()>);

/// The events of one request. Dropping it cancels the request: its blocks are free before the
/// engine's next step.
#[derive(Debug)]
pub struct RequestStream(mpsc::Receiver<Event>);

enum Command {
    Submit(Box<Submission>),
    /// Look at [`Shutdown`].
    Wake,
}

impl EngineHandle {
    /// Hands a request to the engine without waiting.
    ///
    /// # Errors
    /// When the request cannot be served, the queue is full, or the engine is stopping.
    pub fn submit(&self, request: Request) -> Result<RequestStream, SubmitError> {
        self.check(&request)?;
        if self.shutdown.get() != Mode::Serving {
            return Err(SubmitError::Stopped);
        }
        let queue_full = || SubmitError::QueueFull { retry_after: self.retry_after() };
        let ticket = self.queue.enter().ok_or_else(queue_full)?;
        let (events, stream) = mpsc::channel(max_events(&request));
        let submission = Submission { request, events, ticket, submitted_at: Instant::now() };
        match self.sender.try_send(Command::Submit(Box::new(submission))) {
            Ok(()) => Ok(RequestStream(stream)),
            Err(TrySendError::Full(_)) => Err(queue_full()),
            Err(TrySendError::Disconnected(_)) => Err(SubmitError::Stopped),
        }
    }

    /// The adapters that requests may wear.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What the engine was started with.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// A snapshot of gauges and counters.
    pub fn stats(&self) -> EngineStats {
        let mut stats = lock(&self.stats).clone();
        // Requests still in the channel wait too.
        stats.num_requests_waiting = stats.num_requests_waiting.max(self.queue.len());
        stats
    }

    /// Takes no more requests, completes those taken in, then ends the thread.
    pub fn drain(&self) {
        self.shut_down(Mode::Draining);
    }

    /// Takes no more requests, aborts those taken in, then ends the thread.
    pub fn stop(&self) {
        self.shut_down(Mode::Stopping);
    }

    fn shut_down(&self, mode: Mode) {
        self.shutdown.0.fetch_max(mode as u8, Ordering::AcqRel);
        // A full channel means that the thread is awake and will look by itself.
        drop(self.sender.try_send(Command::Wake));
    }

    fn check(&self, request: &Request) -> Result<(), SubmitError> {
        let info = &self.info;
        let (prompt, max_tokens) = (request.prompt.len(), request.params.max_tokens);
        if prompt == 0 {
            return Err(SubmitError::EmptyPrompt);
        }
        let vocab_size = info.vocab_size;
        let is_unknown = |id: &u32| *id as usize >= vocab_size;
        if let Some(index) = request.prompt.iter().position(is_unknown) {
            let id = request.prompt[index];
            return Err(SubmitError::UnknownToken { index, id, vocab_size });
        }
        request.params.validate(vocab_size)?;
        let max = info.max_model_len;
        if prompt.saturating_add(max_tokens) > max {
            return Err(SubmitError::ContextOverflow { prompt, max_tokens, max });
        }
        Ok(())
    }

    /// When a running request is likely to end: the mean duration over those that run together.
    fn retry_after(&self) -> Duration {
        let mean = lock(&self.stats).request_latency.mean().unwrap_or(1.0);
        let seconds = mean / self.info.limits.max_num_seqs as f64;
        Duration::from_secs_f64(seconds.ceil().clamp(1.0, 60.0))
    }
}

impl EngineThread {
    /// Waits for the thread to end.
    ///
    /// # Errors
    /// When it panicked.
    pub fn join(self) -> Result<(), EngineError> {
        self.0.join().map_err(|_| EngineError::Panicked)
    }

    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl RequestStream {
    /// The next event. `None` after the last one, and without a last one only if the engine ended
    /// before it took the request in.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// [`RequestStream::recv`] for threads outside an async runtime.
    pub fn blocking_recv(&mut self) -> Option<Event> {
        self.0.blocking_recv()
    }
}

/// Whether and how the engine ends; only ever grows.
#[derive(Debug, Default)]
struct Shutdown(AtomicU8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Serving = 0,
    Draining = 1,
    Stopping = 2,
}

impl Shutdown {
    fn get(&self) -> Mode {
        match self.0.load(Ordering::Acquire) {
            0 => Mode::Serving,
            1 => Mode::Draining,
            _ => Mode::Stopping,
        }
    }
}

/// The thread's life: take in what arrived, step, and sleep only when there is nothing to do.
fn serve<R: Runner>(mut engine: Engine<R>, inbox: &Receiver<Command>, shutdown: &Shutdown) {
    loop {
        if engine.is_idle() && shutdown.get() == Mode::Serving {
            match inbox.recv() {
                Ok(command) => take_in(&mut engine, command),
                Err(_) => return,
            }
        }
        inbox.try_iter().for_each(|command| take_in(&mut engine, command));
        if shutdown.get() == Mode::Stopping {
            engine.abort_all();
        }
        if engine.is_idle() && shutdown.get() != Mode::Serving {
            return;
        }
        engine.step();
    }
}

fn take_in<R: Runner>(engine: &mut Engine<R>, command: Command) {
    match command {
        Command::Submit(submission) => engine.add(*submission),
        Command::Wake => {}
    }
}
