//! Scheduling by example, and 100,000 random operations with every invariant checked after each.

use super::support::{Random, generation, sequence};
use std::collections::HashMap;
use wardrobe::engine::{
    BlockManager, PrefixCaching, ScheduledChunk, Scheduler, SchedulerLimits, SequenceId,
};

fn scheduler(num_blocks: u32, max_num_seqs: usize, max_num_batched_tokens: usize) -> Scheduler {
    let limits = SchedulerLimits { max_num_seqs, max_num_batched_tokens };
    Scheduler::new(limits, BlockManager::new(num_blocks, PrefixCaching::On))
}

/// Schedules, and lets every sequence that is fully computed grow by `token`.
fn step(scheduler: &mut Scheduler, token: u32) -> Vec<ScheduledChunk> {
    let chunks = scheduler.schedule();
    for chunk in &chunks {
        let sequence = scheduler.running_mut(chunk.index);
        if sequence.num_pending_tokens() == 0 {
            sequence.tokens.push(token);
        }
    }
    chunks
}

fn sizes(scheduler: &Scheduler, chunks: &[ScheduledChunk]) -> HashMap<u64, usize> {
    let id = |chunk: &ScheduledChunk| scheduler.running()[chunk.index].id.0;
    chunks.iter().map(|chunk| (id(chunk), chunk.num_tokens)).collect()
}

#[test]
fn prompts_are_read_in_chunks_beside_decoding() {
    let mut scheduler = scheduler(100, 4, 20);
    scheduler.add(sequence(0, vec![1; 10], None));
    scheduler.add(sequence(1, vec![2; 35], None));
    let seen: Vec<HashMap<u64, usize>> = (0..4)
        .map(|_| {
            let chunks = step(&mut scheduler, 9);
            sizes(&scheduler, &chunks)
        })
        .collect();
    let expected = [
        HashMap::from([(0, 10), (1, 10)]),
        HashMap::from([(0, 1), (1, 19)]),
        HashMap::from([(0, 1), (1, 6)]),
        HashMap::from([(0, 1), (1, 1)]),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn rows_of_one_adapter_are_neighbours() {
    let mut scheduler = scheduler(100, 8, 100);
    for (id, adapter) in [2, 0, 1, 2, 0, 1].into_iter().enumerate() {
        scheduler.add(sequence(id as u64, vec![id as u32; 5], generation(adapter)));
    }
    let chunks = step(&mut scheduler, 9);
    let mut adapters: Vec<_> = chunks.iter().map(|chunk| chunk.adapter).collect();
    assert_eq!(adapters.len(), 6);
    adapters.dedup();
    assert_eq!(adapters.len(), 3);
}

#[test]
fn requests_admitted_together_share_their_prompt() {
    let mut scheduler = scheduler(100, 8, 1000);
    (0..4).for_each(|id| scheduler.add(sequence(id, (0..100).collect(), None)));
    let chunks = step(&mut scheduler, 9);
    assert_eq!(sizes(&scheduler, &chunks), HashMap::from([(0, 100), (1, 4), (2, 4), (3, 4)]));
    assert_eq!(scheduler.blocks().num_used_blocks(), 3 + 4);
}

#[test]
fn the_newest_gives_way_and_comes_back_in_order() {
    let mut scheduler = scheduler(4, 4, 200);
    (0..2).for_each(|id| scheduler.add(sequence(id, vec![id as u32; 60], None)));
    scheduler.add(sequence(2, vec![5; 10], None));
    step(&mut scheduler, 9);
    assert_eq!(scheduler.running().len(), 1, "one block is kept for the one that runs");
    // With one sequence and 4 blocks nothing needs to give way; a second one fits once allowed.
    let mut scheduler = self::scheduler(5, 4, 200);
    (0..2).for_each(|id| scheduler.add(sequence(id, vec![id as u32; 60], None)));
    scheduler.add(sequence(2, vec![5; 10], None));
    step(&mut scheduler, 9);
    assert_eq!(scheduler.running().len(), 2);
    for _ in 0..10 {
        step(&mut scheduler, 9);
        scheduler.check_invariants();
    }
    assert_eq!(scheduler.num_preemptions(), 1);
    let waiting: Vec<u64> = scheduler.waiting().map(|sequence| sequence.id.0).collect();
    assert_eq!(waiting, [1, 2]);
    assert_eq!(scheduler.waiting().next().unwrap().output().len(), 5);
    scheduler.remove(SequenceId(0)).unwrap();
    step(&mut scheduler, 9);
    assert_eq!(scheduler.running()[0].id.0, 1);
}

#[test]
fn removal_frees_blocks_at_once_wherever_the_sequence_is() {
    let mut scheduler = scheduler(10, 1, 100);
    (0..2).for_each(|id| scheduler.add(sequence(id, vec![id as u32; 50], None)));
    step(&mut scheduler, 9);
    assert_eq!(scheduler.blocks().num_used_blocks(), 2);
    assert!(scheduler.remove(SequenceId(1)).is_some(), "waiting");
    assert!(scheduler.remove(SequenceId(0)).is_some(), "running");
    assert!(scheduler.remove(SequenceId(0)).is_none());
    assert_eq!(scheduler.blocks().num_used_blocks(), 0);
    assert!(scheduler.is_empty());
    assert!(scheduler.schedule().is_empty());
}

const NUM_BLOCKS: u32 = 24;
const MAX_LEN: usize = NUM_BLOCKS as usize * 32;

/// One random operation: mostly steps, else an arrival, a departure or a retired generation.
fn operate(scheduler: &mut Scheduler, random: &mut Random, next_id: &mut u64) {
    match random.below(10) {
        0..3 if scheduler.waiting().len() < 20 => {
            let longest = if random.below(20) == 0 { MAX_LEN - 40 } else { 120 };
            let len = 1 + random.below(longest);
            let stride = random.below(3) as u32;
            let prompt = (0..len as u32).map(|i| i * stride).collect();
            let mut sequence = sequence(*next_id, prompt, generation(random.below(4)));
            sequence.params.prompt_logprobs = (random.below(8) == 0).then_some(0);
            scheduler.add(sequence);
            *next_id += 1;
        }
        3 => {
            let id = SequenceId(next_id.saturating_sub(1 + random.below(20) as u64));
            scheduler.remove(id);
        }
        4 if random.below(20) == 0 => {
            let retired = generation(1 + random.below(3)).unwrap();
            scheduler.blocks_mut().forget(retired);
        }
        5 if random.below(200) == 0 => scheduler.blocks_mut().reset_prefix_cache(),
        _ => {
            let chunks = step(scheduler, random.below(3) as u32);
            assert_eq!(chunks.is_empty(), scheduler.is_empty(), "work must always progress");
            let budget: usize = chunks.iter().map(|chunk| chunk.num_tokens).sum();
            assert!(budget <= 48 && chunks.iter().all(|chunk| chunk.num_tokens > 0));
            let end = |chunk: &ScheduledChunk| {
                let sequence = &scheduler.running()[chunk.index];
                let is_done = sequence.tokens.len() >= MAX_LEN || random.below(120) == 0;
                (is_done && sequence.num_pending_tokens() <= 1).then_some(sequence.id)
            };
            let ended: Vec<SequenceId> = chunks.iter().filter_map(end).collect();
            ended.into_iter().for_each(|id| drop(scheduler.remove(id)));
        }
    }
}

#[test]
fn survives_100_000_random_operations() {
    let mut scheduler = scheduler(NUM_BLOCKS, 8, 48);
    let (mut random, mut next_id) = (Random::new(1), 0);
    for _ in 0..100_000 {
        operate(&mut scheduler, &mut random, &mut next_id);
        scheduler.check_invariants();
    }
    let stats = scheduler.blocks().prefix_stats();
    assert!(scheduler.num_preemptions() > 100, "{} preemptions", scheduler.num_preemptions());
    assert!(stats.hits > 1000 && stats.hits < stats.queries, "{stats:?}");
    while !scheduler.is_empty() {
        let oldest = scheduler.running().first().map(|sequence| sequence.id);
        let chunks = step(&mut scheduler, 0);
        let reached = chunks
            .iter()
            .any(|chunk| oldest.is_none_or(|id| scheduler.running()[chunk.index].id == id));
        assert!(reached, "the oldest sequence must progress in every step");
        let id = scheduler.running()[0].id;
        scheduler.remove(id);
        scheduler.check_invariants();
    }
    assert_eq!(scheduler.blocks().num_used_blocks(), 0);
}
