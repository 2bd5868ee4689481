//! Continuous batching: requests of the base and of different adapters share every step.
//!
//! A request's life:
//!
//! 1. A client's thread gives [`EngineHandle::submit`] a [`Request`] that pins the adapter
//!    generation it will wear. What cannot be served is refused here; the queue is bounded.
//! 2. The engine's thread gives it a number and puts it at the end of the [`Scheduler`]'s queue,
//!    as a [`Sequence`] (its tokens) and an answer (its text, its channel).
//! 3. When its turn comes the [`BlockManager`] gives it blocks, those of a cached prefix first.
//! 4. Each step computes some of its prompt, under a budget of tokens that it shares with the
//!    others; rows that wear one adapter are neighbours.
//! 5. The [`ModelRunner`] turns the step's integers into one ragged forward pass and hands out
//!    logits, a few rows at a time.
//! 6. The sampler chooses its next token from its own row, seed and position alone; prompt rows
//!    give log-probabilities instead.
//! 7. The token becomes text, held back while it may belong to a stop string, and an [`Event`].
//!    Steps 4 to 7 repeat; if blocks run out the newest sequence starts again from step 3 and
//!    ends up with the same tokens.
//! 8. A stop, `max_tokens`, or a client that drops its [`RequestStream`] ends it: its blocks are
//!    free at once, but stay findable for later requests until their memory is wanted.
//!
//! The scheduler, the blocks and the sequences hold no tensor, `model_runner.rs` alone builds the
//! model's input, and nothing here knows HTTP.

mod answer;
mod batch;
mod block_hash;
mod block_manager;
mod choice;
mod config;
#[expect(clippy::module_inception, reason = "the engine proper is one file of the engine layer")]
mod engine;
mod handle;
mod held;
mod logprobs;
mod model_runner;
mod queue;
mod request;
mod retired;
mod rng;
mod sampler;
mod sampling_params;
mod scheduler;
mod sequence;
mod stats;
mod stop;

pub use answer::{Submission, max_events};
pub use batch::{BatchChunk, LogitRow, LogitSink, RunError, Runner};
pub use block_hash::{BLOCK_SIZE, BlockContent, BlockHash};
pub use block_manager::{BlockManager, PrefixCaching, PrefixStats};
pub use config::{ConfigError, EngineConfig, EngineInfo, KvMemory, ModelLimits, Setting};
pub use engine::Engine;
pub use handle::{EngineError, EngineHandle, EngineThread, RequestStream, start, start_runner};
pub use logprobs::{TokenLogprob, token_logprob};
pub use model_runner::ModelRunner;
pub use queue::{QueueBound, QueueTicket};
pub use request::{Event, FinishReason, Request, StopHit, SubmitError, Usage};
pub use sampler::{SampleError, SampleInput, apply_penalties, sample};
pub use sampling_params::{
    InvalidParam, MAX_LOGPROBS, MAX_STOP_BYTES, MAX_STOP_STRINGS, SamplingParams,
};
pub use scheduler::{ScheduledChunk, Scheduler, SchedulerLimits};
pub use sequence::{Sequence, SequenceId};
pub use stats::{EngineStats, FinishedCounts, Histogram, ModelCounts, OTHER_ADAPTERS};
pub use stop::{Released, StopInclusion, StopMatcher};
