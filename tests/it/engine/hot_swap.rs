//! Hot swap: clients ask while the adapter under their name is replaced, unloaded and loaded
//! again. No request fails, and every answer is the solo answer of the generation it names.

use super::driver::{Driver, ROOMY};
use super::support::{Answer, Random};
use super::world::{EOS, World, adapter_folder};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use wardrobe::adapters::{Generation, GenerationId, LoadPolicy, Registry};
use wardrobe::engine::{EngineConfig, EngineHandle, KvMemory, Request, SamplingParams, start};
use wardrobe::model::Tokenizer;

/// Contents that take turns under the name.
const CONTENTS: [&str; 5] = ["all_linear", "dora", "save_both", "rslora", "embed"];
const NAME: &str = "changing";
const PROMPTS: usize = 6;
/// How much longer than planned a busy machine may take.
const GRACE: Duration = Duration::from_secs(60);

/// How hard the engine is tried.
#[derive(Clone, Copy)]
struct Trial {
    clients: usize,
    duration: Duration,
    replace_every: Duration,
}

/// What clients ask: prompts that share a beginning of two blocks, some of them sampled.
fn request(which: usize, adapter: Option<Arc<Generation>>) -> Request {
    let mut prompt: Vec<u32> = (3..80).collect();
    prompt.extend(vec![7 + which as u32; 5 * which]);
    let params = SamplingParams {
        max_tokens: 8 + which,
        temperature: if which.is_multiple_of(2) { 0.0 } else { 1.0 },
        seed: Some(which as u64),
        logprobs: Some(1),
        ignore_eos: true,
        ..SamplingParams::default()
    };
    Request { prompt, params, adapter }
}

fn ask(engine: &EngineHandle, which: usize, adapter: Option<Arc<Generation>>) -> Answer {
    let mut stream = engine.submit(request(which, adapter)).unwrap();
    let mut answer = Answer::default();
    while let Some(event) = stream.blocking_recv() {
        answer.take(event);
    }
    answer.essence()
}

type SoloAnswers = HashMap<(Option<GenerationId>, usize), Answer>;

/// Every prompt's answer from the base and from every content, each by itself on a cold cache.
fn solo_answers(world: &World) -> SoloAnswers {
    let load = |name: &&str| {
        world.registry.load(NAME, &adapter_folder(name), LoadPolicy::Replace).unwrap()
    };
    let wearers: Vec<Option<Arc<Generation>>> =
        CONTENTS.iter().map(load).map(Some).chain([None]).collect();
    let mut answers = HashMap::new();
    for wearer in &wearers {
        for which in 0..PROMPTS {
            let id = wearer.as_ref().map(|generation| generation.id);
            let answer = world.alone(&request(which, wearer.clone())).essence();
            assert!(answer.end.is_some(), "{answer:?}");
            answers.insert((id, which), answer);
        }
    }
    answers
}

/// Right answers of each wearer so far.
type Tally = Mutex<HashMap<Option<GenerationId>, usize>>;

/// Asks until told to stop, and counts the answers, all of which must be right.
fn client(
    engine: &EngineHandle,
    expected: &SoloAnswers,
    tally: &Tally,
    stop: &AtomicBool,
    seed: u64,
) {
    let _stop = StopOnDrop(stop);
    let mut random = Random::new(seed);
    while !stop.load(Ordering::Relaxed) {
        let which = random.below(PROMPTS);
        let adapter = engine.registry().get(NAME).filter(|_| random.below(5) > 0);
        let id = adapter.as_ref().map(|generation| generation.id);
        let answer = ask(engine, which, adapter);
        assert_eq!(answer, expected[&(id, which)], "prompt {which} of generation {id:?}");
        *tally.lock().unwrap().entry(id).or_default() += 1;
    }
}

/// Replaces the adapter, and now and then unloads it first, until the time is up and every
/// generation and the base have answered.
fn swap(registry: &Registry, trial: Trial, tally: &Tally, stop: &AtomicBool) {
    let (begin, mut swaps) = (Instant::now(), 0);
    let is_tried = |swaps: usize| swaps >= 20 && tally.lock().unwrap().len() > CONTENTS.len();
    while begin.elapsed() < trial.duration || !is_tried(swaps) {
        if stop.load(Ordering::Relaxed) {
            return; // A client panicked, which the test's thread will report.
        }
        assert!(begin.elapsed() < trial.duration + GRACE, "{swaps} swaps, answers: {tally:?}");
        if swaps % 7 == 3 {
            registry.unload(NAME).unwrap();
        }
        let content = CONTENTS[swaps % CONTENTS.len()];
        registry.load(NAME, &adapter_folder(content), LoadPolicy::Replace).unwrap();
        swaps += 1;
        thread::sleep(trial.replace_every);
    }
}

/// Stops everyone when it is dropped, also by a panic.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn run(trial: Trial) {
    let world = World::new();
    let tokenizer = Arc::new(Tokenizer::load(world.folder.path()).unwrap());
    // Little memory, so that generations fight for blocks and sequences are preempted.
    let config = EngineConfig {
        max_num_seqs: 6,
        max_num_batched_tokens: 40,
        kv_memory: KvMemory::Tokens(16 * 32),
        ..EngineConfig::default()
    };
    let expected = solo_answers(&world);
    let (engine, thread) =
        start(Arc::clone(&world.decoder), tokenizer, world.registry.clone(), &config).unwrap();
    let (stop, tally) = (AtomicBool::new(false), Tally::default());
    thread::scope(|scope| {
        let (engine, expected, tally, stop) = (&engine, &expected, &tally, &stop);
        for seed in 0..trial.clients as u64 {
            scope.spawn(move || client(engine, expected, tally, stop, seed));
        }
        let _stop = StopOnDrop(stop);
        swap(engine.registry(), trial, tally, stop);
    });
    engine.drain();
    thread.join().unwrap();
    let stats = engine.stats();
    assert_eq!((stats.finished.failed, stats.finished.aborted, stats.num_used_blocks), (0, 0, 0));
    let answers: usize = tally.lock().unwrap().values().sum();
    assert_eq!(stats.finished.length as usize, answers);
}

#[test]
fn every_answer_is_that_of_the_generation_it_names() {
    run(Trial {
        clients: 4,
        duration: Duration::from_secs(3),
        replace_every: Duration::from_millis(10),
    });
}

#[test]
fn cached_blocks_of_a_retired_generation_are_dropped() {
    let world = World::new();
    let mut engine = Driver::new(world.runner(ROOMY.num_blocks), EOS, ROOMY);
    let load = |name| world.registry.load(NAME, &adapter_folder(name), LoadPolicy::Replace);
    let cached = |engine: &Driver<_>| engine.engine.scheduler().blocks().num_cached_blocks();
    engine.answer(&[request(0, Some(load("dora").unwrap())), request(0, None)]);
    assert_eq!(cached(&engine), 4, "two blocks of the adapter's prompt, two of the base's");
    let held = world.registry.get(NAME);
    load("rslora").unwrap();
    engine.answer(&[request(0, None)]);
    assert_eq!(cached(&engine), 4, "a generation that someone holds may be asked for again");
    drop(held);
    engine.answer(&[request(0, None)]);
    assert_eq!(cached(&engine), 2);
}
