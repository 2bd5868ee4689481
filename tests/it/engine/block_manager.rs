//! Blocks by example: sharing, eviction, generations, verification of what is shared.

use super::support::{generation, sequence};
use wardrobe::engine::{BLOCK_SIZE, BlockManager, PrefixCaching, Sequence};

/// Computes a whole sequence, as a step would.
fn compute(blocks: &mut BlockManager, sequence: &mut Sequence) {
    assert!(blocks.allocate(sequence, 0));
    sequence.num_computed_tokens = sequence.tokens.len();
    blocks.register_full_blocks(sequence);
}

fn tokens(count: usize) -> Vec<u32> {
    (0..count as u32).collect()
}

fn manager(num_blocks: u32) -> BlockManager {
    BlockManager::new(num_blocks, PrefixCaching::On)
}

#[test]
fn a_prefix_is_shared_while_it_is_held_and_after() {
    let mut blocks = manager(8);
    let mut first = sequence(0, tokens(70), None);
    compute(&mut blocks, &mut first);
    assert_eq!(blocks.num_used_blocks(), 3);

    let mut second = sequence(1, tokens(75), None);
    assert!(blocks.allocate(&mut second, 0));
    assert_eq!(second.num_computed_tokens, 64);
    assert_eq!(second.block_table[..2], first.block_table[..2]);
    assert_eq!(blocks.num_used_blocks(), 4);

    blocks.free(&mut first);
    blocks.free(&mut second);
    assert_eq!((blocks.num_used_blocks(), blocks.num_cached_blocks()), (0, 2));
    let mut third = sequence(2, tokens(70), None);
    assert!(blocks.allocate(&mut third, 0));
    assert_eq!(third.num_computed_tokens, 64);
    blocks.check_invariants([&third].into_iter());
}

#[test]
fn the_last_token_is_always_computed() {
    let mut blocks = manager(8);
    let mut first = sequence(0, tokens(64), None);
    compute(&mut blocks, &mut first);
    let mut again = sequence(1, tokens(64), None);
    assert!(blocks.allocate(&mut again, 0));
    assert_eq!(again.num_computed_tokens, 32);
}

#[test]
fn generations_and_the_base_never_share() {
    let mut blocks = manager(16);
    for n in 0..4 {
        let mut own = sequence(n, tokens(40), generation(n as usize));
        assert!(blocks.allocate(&mut own, 0));
        assert_eq!(own.num_computed_tokens, 0, "generation {n} took another's block");
        own.num_computed_tokens = 40;
        blocks.register_full_blocks(&mut own);
        blocks.free(&mut own);
    }
    let mut again = sequence(9, tokens(40), generation(2));
    assert!(blocks.allocate(&mut again, 0));
    assert_eq!(again.num_computed_tokens, 32);
}

#[test]
fn a_prompt_to_be_scored_is_computed_whole() {
    let mut blocks = manager(8);
    let mut first = sequence(0, tokens(70), None);
    compute(&mut blocks, &mut first);
    let mut scored = sequence(1, tokens(70), None);
    scored.params.prompt_logprobs = Some(0);
    assert!(blocks.allocate(&mut scored, 0));
    assert_eq!(scored.num_computed_tokens, 0);
    blocks.free(&mut scored);
    // Preempted after 40 rows were scored, only the blocks among those may be reused.
    scored.num_scored_rows = 40;
    assert!(blocks.allocate(&mut scored, 0));
    assert_eq!(scored.num_computed_tokens, 32);
}

#[test]
fn the_longest_unused_prefix_is_evicted_first_and_from_its_end() {
    let cached_after_eviction = |probe: Vec<u32>| {
        let mut blocks = manager(4);
        for (id, prompt) in [(0, tokens(64)), (1, (100..164).collect())] {
            let mut sequence = sequence(id, prompt, None);
            compute(&mut blocks, &mut sequence);
            blocks.free(&mut sequence);
        }
        assert_eq!((blocks.num_free_blocks(), blocks.num_cached_blocks()), (4, 4));
        let mut newcomer = sequence(2, vec![7; 20], None);
        assert!(blocks.allocate(&mut newcomer, 0));
        assert_eq!(blocks.num_cached_blocks(), 3);
        let mut probe = sequence(3, probe, None);
        assert!(blocks.allocate(&mut probe, 0));
        probe.num_computed_tokens
    };
    assert_eq!(cached_after_eviction(tokens(65)), 32, "the old prefix lost its end");
    assert_eq!(cached_after_eviction((100..165).collect()), 64, "the recent one is whole");
}

#[test]
fn allocation_that_does_not_fit_changes_nothing() {
    let mut blocks = manager(5);
    let mut first = sequence(0, tokens(65), None);
    compute(&mut blocks, &mut first);
    let mut second = sequence(1, tokens(100), None);
    assert!(!blocks.allocate(&mut second, 1), "2 free blocks, 2 needed and 1 to be left");
    assert_eq!((second.num_computed_tokens, second.block_table.len()), (0, 0));
    assert!(blocks.allocate(&mut second, 0));
    let mut third = sequence(2, tokens(3), None);
    assert!(!blocks.allocate(&mut third, 0));
    second.tokens.extend(0..BLOCK_SIZE as u32);
    assert!(!blocks.append(&mut second));
    blocks.free(&mut first);
    assert!(blocks.append(&mut second), "the first sequence's last block was its own");
    blocks.check_invariants([&second].into_iter());
}

#[test]
fn a_retired_generation_leaves_nothing_behind() {
    let mut blocks = manager(8);
    let mut held = sequence(0, tokens(64), generation(1));
    compute(&mut blocks, &mut held);
    let mut freed = sequence(1, (50..114).collect(), generation(1));
    compute(&mut blocks, &mut freed);
    blocks.free(&mut freed);
    let mut base = sequence(2, tokens(64), None);
    compute(&mut blocks, &mut base);
    blocks.forget(generation(1).unwrap());
    assert_eq!(blocks.num_cached_blocks(), 2, "the base's");
    blocks.check_invariants([&held, &base].into_iter());
    blocks.reset_prefix_cache();
    assert_eq!(blocks.num_cached_blocks(), 0);
    blocks.free(&mut held);
    blocks.free(&mut base);
    blocks.check_invariants([].into_iter());
    assert_eq!(blocks.num_free_blocks(), 8);
}

#[test]
fn caching_can_be_off() {
    let mut blocks = BlockManager::new(8, PrefixCaching::Off);
    let mut first = sequence(0, tokens(64), None);
    compute(&mut blocks, &mut first);
    assert_eq!(blocks.num_cached_blocks(), 0);
    assert_eq!(blocks.prefix_stats().queries, 0);
}
