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

/// A move: two numbers of the table become one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    left: usize,
    sign: char,
    right: usize,
    /// The number it makes.
    pub(super) value: u32,
}

impl Move {
    /// The sum as a line of the search writes it: `12*7=84`.
    pub(super) fn sum(&self, table: &[Item]) -> String {
        let (left, right) = (table[self.left].value, table[self.right].value);
        format!("{left}{}{right}={}", self.sign, self.value)
    }

    /// What is then on the table; the new item is last.
    pub(super) fn apply(&self, table: &[Item]) -> Vec<Item> {
        let (left, right) = (table[self.left].operand(), table[self.right].operand());
        let text = format!("{left} {} {right}", self.sign);
        self.replace(table, Item { value: self.value, text, atom: false })
    }

    /// Whether this last move on a table of two could make the target, judged by the sizes of the
    /// two numbers alone: smaller ones are added or multiplied, a larger one is reduced.
    pub(super) fn may_make(&self, target: u32, values: &[u32]) -> bool {
        let largest = values[self.left].max(values[self.right]);
        match self.sign {
            '+' => largest < target,
            '*' => largest <= target,
            _ => largest > target,
        }
    }

    /// The two operands out, `made` in.
    fn replace<T: Clone>(&self, table: &[T], made: T) -> Vec<T> {
        let kept = (0..table.len()).filter(|&at| at != self.left && at != self.right);
        kept.map(|at| table[at].clone()).chain([made]).collect()
    }
}

/// Every legal move: values stay positive integers up to [`LARGEST`].
pub(super) fn moves(values: &[u32]) -> Vec<Move> {
    let mut found = Vec::new();
    for second in 1..values.len() {
        for first in 0..second {
            let swap = values[first] < values[second];
            let (large, small) = if swap { (second, first) } else { (first, second) };
            let (a, b) = (values[large], values[small]);
            let legal = [
                Move { left: first, sign: '+', right: second, value: a + b },
                Move { left: first, sign: '*', right: second, value: a * b },
                Move { left: large, sign: '-', right: small, value: a - b },
                Move { left: large, sign: '/', right: small, value: quotient(a, b) },
            ];
            found.extend(legal.into_iter().filter(|made| (1..=LARGEST).contains(&made.value)));
        }
    }
    found
}

/// The quotient if it is exact, else 0, which no move may make. Dividing by 1 is left out:
/// multiplying by it is the same.
fn quotient(large: u32, small: u32) -> u32 {
    if small > 1 && large.is_multiple_of(small) { large / small } else { 0 }
}

/// The values on the table.
pub(super) fn values(table: &[Item]) -> Vec<u32> {
    table.iter().map(|item| item.value).collect()
}

/// The legal moves in random order.
pub(super) fn shuffled_moves(table: &[Item], rng: &mut Rng) -> Vec<Move> {
    let mut moves = moves(&values(table));
    rng.shuffle(&mut moves);
    moves
}

/// Whether `made` leaves a table of which some line of play makes the target.
pub(super) fn leads_to(values: &[u32], made: &Move, target: u32) -> bool {
    let after = made.replace(values, made.value);
    match after.as_slice() {
        [last] => *last == target,
        rest => moves(rest).iter().any(|next| leads_to(rest, next, target)),
    }
}
