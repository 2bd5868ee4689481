//! Countdown problems: a few numbers, a target, and one way to make it.

use super::arithmetic::{Item, shuffled_moves};
use crate::datasets::rng::Rng;
use splitmix::mix;

/// Numbers are drawn from 1 to this.
const LARGEST_NUMBER: u32 = 20;
/// Targets lie in this range.
const TARGETS: std::ops::RangeInclusive<u32> = 10..=100;
/// One problem in this many is held out for testing.
const HELD_OUT: u64 = 10;

/// Which part of all problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// For training.
    Train,
    /// Held out.
    Test,
}

/// A solvable problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The numbers, each to be used once, in the order they are shown.
    pub numbers: Vec<u32>,
    /// What they are to make.
    pub target: u32,
    /// An expression that does: the one the problem was made from.
    pub solution: String,
}

impl Problem {
    /// Draws a problem of `split`: three numbers two times in three, else four; solvable because
    /// the target is what random moves made of them.
    pub fn draw(rng: &mut Rng, split: Split) -> Self {
        let count = if rng.below(3) < 2 { 3 } else { 4 };
        loop {
            let numbers: Vec<u32> = (0..count).map(|_| rng.between(1, LARGEST_NUMBER)).collect();
            let Some(made) = play(&numbers, rng) else { continue };
            let problem =
                Self { numbers, target: made.value, solution: made.expression().to_owned() };
            if TARGETS.contains(&problem.target) && problem.split() == split {
                return problem;
            }
        }
    }

    /// The numbers in order and the target: equal for problems that differ in the order of their
    /// numbers alone.
    pub fn key(&self) -> (Vec<u32>, u32) {
        let mut numbers = self.numbers.clone();
        numbers.sort_unstable();
        (numbers, self.target)
    }

    /// The part that this problem belongs to, decided by a hash of its key.
    pub fn split(&self) -> Split {
        let (numbers, target) = self.key();
        let hash = numbers
            .iter()
            .chain([&target])
            .fold(0_u64, |hash, &n| mix(hash.wrapping_add(u64::from(n) + 1)));
        if hash.is_multiple_of(HELD_OUT) { Split::Test } else { Split::Train }
    }

    /// The question as the user asks it.
    pub fn question(&self) -> String {
        format!(
            "Using the numbers {:?}, create an equation that equals {}.",
            self.numbers, self.target
        )
    }

    /// The numbers as items on the table.
    pub(super) fn table(&self) -> Vec<Item> {
        self.numbers.iter().copied().map(Item::given).collect()
    }
}

/// Plays random moves until one item is left; `None` when stuck.
fn play(numbers: &[u32], rng: &mut Rng) -> Option<Item> {
    let mut table: Vec<Item> = numbers.iter().copied().map(Item::given).collect();
    while table.len() > 1 {
        table = shuffled_moves(&table, rng).pop()?.apply(&table);
    }
    table.pop()
}
