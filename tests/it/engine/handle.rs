//! The engine's thread from outside: what is refused, cancellation, the bounded queue, shutdown.

use super::mock::MockRunner;
use super::support::{Answer, EOS, VOCAB, tokenizer};
use super::world::World;
use std::thread;
use std::time::{Duration, Instant};
use wardrobe::engine::{
    BatchChunk, EngineHandle, EngineInfo, EngineThread, Event, FinishReason, LogitSink,
    PrefixCaching, Request, RequestStream, RunError, Runner, SamplingParams, SchedulerLimits,
    SubmitError, start_runner,
};

/// The mock, at the pace of a model.
struct SlowRunner(MockRunner);

impl Runner for SlowRunner {
    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn run(&mut self, batch: &[BatchChunk<'_>], sink: &mut LogitSink<'_>) -> Result<(), RunError> {
        thread::sleep(Duration::from_millis(2));
        assert!(batch[0].tokens != [66, 66, 66], "a bug in the model");
        self.0.run(batch, sink)
    }
}

/// One request runs and three may wait.
fn start_small() -> (EngineHandle, EngineThread) {
    let info = EngineInfo {
        model_name: "base".to_owned(),
        vocab_size: VOCAB,
        max_model_len: 320,
        num_blocks: 10,
        block_size: 32,
        block_bytes: 1,
        limits: SchedulerLimits { max_num_seqs: 1, max_num_batched_tokens: 64 },
        max_queue: 3,
        prefix_caching: PrefixCaching::On,
        eos_token_ids: vec![EOS],
    };
    let runner = SlowRunner(MockRunner::default());
    start_runner(runner, tokenizer(), World::new().registry, info).unwrap()
}

fn request(prompt: Vec<u32>, max_tokens: usize) -> Request {
    let params = SamplingParams { max_tokens, ignore_eos: true, ..SamplingParams::default() };
    Request { prompt, params, adapter: None }
}

fn wait(mut stream: RequestStream) -> Answer {
    let mut answer = Answer::default();
    while let Some(event) = stream.blocking_recv() {
        answer.take(event);
    }
    answer
}

/// Waits for something that another thread is about to do.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_cannot_be_served_is_refused_with_a_sentence() {
    let (engine, _thread) = start_small();
    let message = |request| engine.submit(request).unwrap_err().to_string();
    assert_eq!(message(request(vec![], 1)), "the prompt has no tokens; give at least one");
    assert_eq!(
        message(request(vec![1; 300], 21)),
        "the prompt's 300 tokens and max_tokens 21 together exceed the context of 320 tokens; \
         shorten the prompt or lower max_tokens"
    );
    assert_eq!(
        message(request(vec![1, 257], 1)),
        "prompt token 1 is 257, but the model's vocabulary has 257 tokens"
    );
    let mut bad = request(vec![1], 1);
    bad.params.top_p = 0.0;
    assert_eq!(message(bad), "`top_p` must be a number above 0 and at most 1, but is 0");
    assert_eq!(wait(engine.submit(request(vec![1; 300], 20)).unwrap()).ids.len(), 20);
}

#[test]
fn a_full_queue_refuses_and_says_when_to_come_back() {
    let (engine, _thread) = start_small();
    let first = engine.submit(request(vec![1], 300)).unwrap();
    eventually("the first runs", || engine.stats().num_requests_running == 1);
    let waiting: Vec<_> = (0..3).map(|_| engine.submit(request(vec![2], 2)).unwrap()).collect();
    let refused = engine.submit(request(vec![3], 2)).unwrap_err();
    let SubmitError::QueueFull { retry_after } = refused else { panic!("{refused}") };
    assert!((1..=60).contains(&retry_after.as_secs()));
    assert_eq!(engine.stats().num_requests_waiting, 3);
    drop(first);
    for stream in waiting {
        assert_eq!(wait(stream).ids.len(), 2);
    }
    engine.submit(request(vec![3], 2)).unwrap();
}

#[test]
fn dropping_a_stream_frees_everything() {
    let (engine, _thread) = start_small();
    let mut stream = engine.submit(request(vec![1; 100], 200)).unwrap();
    assert!(matches!(stream.blocking_recv(), Some(Event::Token { .. })));
    assert!(engine.stats().num_used_blocks >= 4);
    drop(stream);
    eventually("blocks are free", || engine.stats().num_used_blocks == 0);
    assert_eq!(engine.stats().finished.aborted, 1);
}

#[test]
fn draining_completes_what_was_taken_in() {
    let (engine, thread) = start_small();
    let streams: Vec<_> =
        (0..3).map(|_| engine.submit(request(vec![1; 40], 20)).unwrap()).collect();
    engine.drain();
    assert_eq!(engine.submit(request(vec![1], 1)).unwrap_err(), SubmitError::Stopped);
    for stream in streams {
        assert_eq!(wait(stream).end, Some((FinishReason::Length, None)));
    }
    thread.join().unwrap();
}

#[test]
fn stopping_aborts_what_was_taken_in() {
    let (engine, thread) = start_small();
    let streams: Vec<_> =
        (0..3).map(|_| engine.submit(request(vec![1; 40], 250)).unwrap()).collect();
    engine.stop();
    for stream in streams {
        assert_eq!(wait(stream).end, Some((FinishReason::Aborted, None)));
    }
    thread.join().unwrap();
}

#[test]
fn the_thread_ends_with_its_last_handle() {
    let (engine, thread) = start_small();
    let stream = engine.submit(request(vec![1; 40], 5)).unwrap();
    drop(engine);
    assert_eq!(wait(stream).ids.len(), 5);
    thread.join().unwrap();
}

#[test]
fn a_panic_in_the_model_ends_streams_and_is_reported() {
    let (engine, thread) = start_small();
    let stream = engine.submit(request(vec![66; 3], 5)).unwrap();
    assert_eq!(wait(stream), Answer::default(), "the stream ends without a last event");
    assert!(thread.join().unwrap_err().to_string().contains("panicked"));
    assert_eq!(engine.submit(request(vec![1], 1)).unwrap_err(), SubmitError::Stopped);
}

#[tokio::test]
async fn streams_can_be_awaited() {
    let (engine, _thread) = start_small();
    let mut stream = engine.submit(request(vec![1; 40], 3)).unwrap();
    let mut answer = Answer::default();
    while let Some(event) = stream.recv().await {
        answer.take(event);
    }
    assert_eq!(answer.ids.len(), 3);
}
