//! Positions of the game: what numbers are on the table, which moves are legal, and the text of
//! each.

use crate::datasets::rng::Rng;

/// Largest value that a move may make; keeps the text short.
const LARGEST: u32 = 999;

/// One number on the table with the expression that made it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) value: u32,
    text: String,
    atom: bool,
}

impl Item {
    /// A number that was given.
    pub(super) fn given(value: u32) -> Self {
        Self { value, text: value.to_string(), atom: true }
    }

    /// The expression as written in an answer.
    pub(super) fn expression(&self) -> &str {
        &self.text
    }

    /// The expression as an operand.
    fn operand(&self) -> String {
        if self.atom { self.text.clone() } else { format!("({})", self.text) }
    }
}

/// A move: two items become one.
#[derive(Clone, Debug)]
pub(super) struct Move {
    /// The sum as a line of the search writes it: `12*7=84`.
    pub(super) line: String,
    /// What is then on the table; the new item is last.
    pub(super) table: Vec<Item>,
}

impl Move {
    /// The number just made.
    pub(super) fn value(&self) -> u32 {
        self.table.last().map_or(0, |item| item.value)
    }
}

/// Every legal move: values stay positive integers up to [`LARGEST`]. Of moves that make the same
/// number of the same two, one is kept.
pub(super) fn moves(table: &[Item]) -> Vec<Move> {
    let mut found = Vec::new();
    for second in 1..table.len() {
        for first in 0..second {
            let (a, b) = (&table[first], &table[second]);
            let (large, small) = if a.value >= b.value { (a, b) } else { (b, a) };
            let rest: Vec<Item> = (0..table.len())
                .filter(|&at| at != first && at != second)
                .map(|at| table[at].clone())
                .collect();
            let legal = [
                (a, '+', b, Some(a.value + b.value)),
                (a, '*', b, Some(a.value * b.value)),
                (large, '-', small, Some(large.value - small.value)),
                (large, '/', small, quotient(large.value, small.value)),
            ];
            found.extend(legal.into_iter().filter_map(|(left, sign, right, value)| {
                let value = value.filter(|value| (1..=LARGEST).contains(value))?;
                Some(combine(left, sign, right, value, rest.clone()))
            }));
        }
    }
    found
}

/// Exact quotients only; dividing by 1 is the same as multiplying by it.
fn quotient(large: u32, small: u32) -> Option<u32> {
    (small > 1 && large.is_multiple_of(small)).then(|| large / small)
}

fn combine(left: &Item, sign: char, right: &Item, value: u32, mut table: Vec<Item>) -> Move {
    let line = format!("{}{sign}{}={value}", left.value, right.value);
    let text = format!("{} {sign} {}", left.operand(), right.operand());
    table.push(Item { value, text, atom: false });
    Move { line, table }
}

/// The legal moves in random order.
pub(super) fn shuffled_moves(table: &[Item], rng: &mut Rng) -> Vec<Move> {
    let mut moves = moves(table);
    rng.shuffle(&mut moves);
    moves
}

/// Whether some line of play makes the target of all items.
pub(super) fn solvable(table: &[Item], target: u32) -> bool {
    match table {
        [last] => last.value == target,
        _ => moves(table).iter().any(|next| solvable(&next.table, target)),
    }
}
