//! Batch invariance on a real model: an answer and every log-probability in it are the same bits
//! for a request alone, in any mix of adapters, with any chunking, warm or cold, preempted or not;
//! and the same that one whole forward pass gives.

use super::driver::{Driver, Size};
use super::support::{Answer, Random};
use super::world::{ADAPTERS, BIASED, EOS, World};
use std::sync::Arc;
use wardrobe::adapters::Generation;
use wardrobe::engine::{PrefixCaching, Request, SamplingParams, token_logprob};
use wardrobe::model::{Kv, Step, Wear, Worn, slice_of};

const REQUESTS: usize = 40;
/// Mixes of plain adapters, and of those that change biases.
const MIXES: [u64; 2] = [6, 3];

/// An engine size that makes for other chunks, company, reuse and preemptions each time.
fn random_size(random: &mut Random) -> Size {
    let max_num_seqs = 1 + random.below(12);
    Size {
        num_blocks: [6, 12, 100][random.below(3)],
        max_num_seqs,
        max_num_batched_tokens: max_num_seqs + random.below(100),
        prefix_caching: [PrefixCaching::On, PrefixCaching::On, PrefixCaching::Off][random.below(3)],
    }
}

#[test]
fn log_probs_are_the_same_bits_in_any_mix() {
    let world = World::new();
    check_mixes(&world, &world.load_adapters(), MIXES[0]);
}

#[test]
fn log_probs_are_the_same_bits_in_any_mix_of_biases() {
    let (world, wearers) = World::biased();
    check_mixes(&world, &wearers, MIXES[1]);
}

fn check_mixes(world: &World, wearers: &[Arc<Generation>], mixes: u64) {
    let mut random = Random::new(2024);
    let requests: Vec<Request> =
        (0..REQUESTS).map(|_| world.random_request(&mut random, wearers)).collect();
    let expected: Vec<Answer> = requests.iter().map(|request| world.alone(request)).collect();
    let (mut preemptions, mut hits) = (0, 0);
    for mix in 0..mixes {
        let size = random_size(&mut random);
        let mut engine = Driver::new(world.runner(size.num_blocks), EOS, size);
        for temperature in ["cold", "warm"] {
            let mut order: Vec<usize> = (0..REQUESTS).collect();
            (1..REQUESTS).for_each(|i| order.swap(i, random.below(i + 1)));
            let mut receivers = Vec::new();
            for &index in &order {
                receivers.push(engine.add(requests[index].clone()));
                (0..random.below(3)).for_each(|_| engine.step());
            }
            for (answer, index) in engine.finish(receivers).iter().zip(order) {
                let expected = expected[index].essence();
                assert_eq!(answer.essence(), expected, "mix {mix} {temperature}, {size:?}");
            }
        }
        preemptions += engine.engine.scheduler().num_preemptions();
        hits += engine.engine.scheduler().blocks().prefix_stats().hits;
    }
    assert!(preemptions > 0 && hits > 0, "{preemptions} preemptions, {hits} hits");
}

#[test]
fn every_adapter_answers_differently() {
    let world = World::new();
    check_different(&world, world.load_adapters(), ADAPTERS.len());
    let (world, wearers) = World::biased();
    check_different(&world, wearers, BIASED.len());
}

fn check_different(world: &World, wearers: Vec<Arc<Generation>>, adapters: usize) {
    let mut wearers: Vec<_> = wearers.into_iter().map(Some).collect();
    wearers.push(None);
    let score = |adapter| {
        let params =
            SamplingParams { max_tokens: 0, prompt_logprobs: Some(0), ..SamplingParams::default() };
        world.alone(&Request { prompt: (3..60).collect(), params, adapter }).prompt_logprobs
    };
    let scores: Vec<_> = wearers.into_iter().map(score).collect();
    assert_eq!(scores.len(), adapters + 1);
    for (i, one) in scores.iter().enumerate() {
        assert!(scores[..i].iter().all(|other| other != one), "wearer {i}");
    }
}

#[test]
fn log_probs_equal_one_whole_forward_pass() {
    let world = World::new();
    check_whole_passes(&world, world.load_adapters());
    let (world, wearers) = World::biased();
    check_whole_passes(&world, wearers);
}

fn check_whole_passes(world: &World, wearers: Vec<Arc<Generation>>) {
    for adapter in wearers.into_iter().map(Some).chain([None]) {
        let params = SamplingParams {
            max_tokens: 50,
            seed: Some(1),
            ignore_eos: true,
            logprobs: Some(0),
            prompt_logprobs: Some(0),
            ..SamplingParams::default()
        };
        let request = Request { prompt: (3..73).collect(), params, adapter };
        let answer = world.alone(&request);
        let found: Vec<f32> = answer
            .prompt_logprobs
            .iter()
            .flatten()
            .chain(&answer.logprobs)
            .map(|token| token.logprob)
            .collect();
        let ids: Vec<u32> = request.prompt.iter().chain(&answer.ids).copied().collect();
        assert_eq!(found, whole_pass(world, &ids, &request), "{:?}", request.adapter);
    }
}

/// log p of each token after the first, from a single step that holds the whole text.
fn whole_pass(world: &World, ids: &[u32], request: &Request) -> Vec<f32> {
    let rows = 0..ids.len();
    let worn: Vec<Worn> = request
        .adapter
        .iter()
        .map(|generation| Worn { rows: rows.clone(), adapter: Arc::clone(&generation.weights) })
        .collect();
    let wear = if worn.is_empty() { Wear::Base } else { Wear::Adapters(&worn) };
    let positions: Vec<u32> = rows.map(|row| row as u32).collect();
    let kv = Kv::Fresh { lens: &[ids.len()] };
    let step = Step { ids, positions: &positions, wear, kv };
    let hidden = world.decoder.hidden(&step).unwrap();
    let logits = world.decoder.logits(&hidden, &positions, &wear).unwrap();
    slice_of(&logits, |logits| {
        let rows = logits.chunks(logits.len() / ids.len()).zip(&ids[1..]);
        rows.map(|(row, &id)| token_logprob(row, id, 0).logprob).collect()
    })
    .unwrap()
}
