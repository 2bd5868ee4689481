//! Hot swap: clients ask while the adapter under their name is replaced, unloaded and loaded
//! again. No request fails, and every answer is the solo answer of the generation it names.

use super::support::{Answer, Random};
use super::world::{World, adapter_folder};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wardrobe::adapters::{Generation, GenerationId, LoadPolicy, Registry};
use wardrobe::engine::{EngineConfig, EngineHandle, KvMemory, Request, SamplingParams, start};
use wardrobe::model::Tokenizer;

/// Contents that take turns under the name.
const CONTENTS: [&str; 5] = ["all_linear", "dora", "save_both", "rslora", "embed"];
const NAME: &str = "changing";
const PROMPTS: usize = 6;

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

/// Asks until told to stop; returns how many answers of each wearer were right.
fn client(
    engine: &EngineHandle,
    expected: &SoloAnswers,
    stop: &AtomicBool,
    seed: u64,
) -> HashMap<Option<GenerationId>, usize> {
    let mut random = Random::new(seed);
    let mut right = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let which = random.below(PROMPTS);
        let adapter = engine.registry().get(NAME).filter(|_| random.below(5) > 0);
        let id = adapter.as_ref().map(|generation| generation.id);
        let answer = ask(engine, which, adapter);
        assert_eq!(answer, expected[&(id, which)], "prompt {which} of generation {id:?}");
        *right.entry(id).or_default() += 1;
    }
    right
}

/// Replaces the adapter, and now and then unloads it first, until the time is up.
fn swap(registry: &Registry, trial: Trial) -> usize {
    let (begin, mut swaps) = (Instant::now(), 0);
    while begin.elapsed() < trial.duration {
        if swaps % 7 == 3 {
            registry.unload(NAME).unwrap();
        }
        let content = CONTENTS[swaps % CONTENTS.len()];
        registry.load(NAME, &adapter_folder(content), LoadPolicy::Replace).unwrap();
        swaps += 1;
        thread::sleep(trial.replace_every);
    }
    swaps
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
    let (engine, thread) =
        start(Arc::clone(&world.decoder), tokenizer, world.registry.clone(), &config).unwrap();
    let expected = solo_answers(&world);
    let stop = AtomicBool::new(false);
    let (swaps, right) = thread::scope(|scope| {
        let (engine, expected, stop) = (&engine, &expected, &stop);
        let clients: Vec<_> = (0..trial.clients)
            .map(|seed| scope.spawn(move || client(engine, expected, stop, seed as u64)))
            .collect();
        let swaps = swap(engine.registry(), trial);
        stop.store(true, Ordering::Relaxed);
        let right: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        (swaps, right)
    });
    let mut by_wearer: HashMap<Option<GenerationId>, usize> = HashMap::new();
    for (wearer, count) in right.into_iter().flatten() {
        *by_wearer.entry(wearer).or_default() += count;
    }
    assert_eq!(by_wearer.len(), CONTENTS.len() + 1, "every generation answered: {by_wearer:?}");
    let expected_swaps = trial.duration.as_millis() / trial.replace_every.as_millis() / 4;
    assert!(swaps as u128 >= expected_swaps.min(20), "{swaps} replacements");
    engine.drain();
    thread.join().unwrap();
    assert_eq!(engine.stats().finished.failed, 0);
    assert_eq!(engine.stats().num_used_blocks, 0);
}

#[test]
fn every_answer_is_that_of_the_generation_it_names() {
    run(Trial {
        clients: 4,
        duration: Duration::from_secs(3),
        replace_every: Duration::from_millis(10),
    });
}
