//! Worked searches, one move a line, random ones at most [`MAX_LINES`]: `12*7=84 left 19 84`, and for a last
//! move `84-19=65 no` or `31-7=24 yes`.

use super::Problem;
use super::arithmetic::{Item, Move, leads_to, moves, shuffled_moves, values};
use crate::datasets::rng::Rng;

/// Longest random search that is shown.
const MAX_LINES: usize = 14;
/// Random searches tried before a guided one is shown instead.
const ATTEMPTS: usize = 40;
/// Chance in percent that a guided search tries one more wrong move before a right one.
const DETOUR_PERCENT: u32 = 35;
/// Chance in percent that an orderly search of four numbers guesses wrong first.
const WRONG_GUESS_PERCENT: u32 = 30;

/// A search that ended well.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) lines: Vec<String>,
    pub(super) answer: String,
}

/// A depth-first search that tries moves in random order; the first of a few that ends in time.
pub(super) fn random(problem: &Problem, rng: &mut Rng) -> Search {
    let table = problem.table();
    for _ in 0..ATTEMPTS {
        let mut lines = Vec::new();
        if let Some(answer) = descend(&table, problem.target, rng, &mut lines) {
            return Search { lines, answer };
        }
    }
    guided(problem, rng)
}

/// Searches below `table`; `None` when nothing is found or the lines are used up.
fn descend(table: &[Item], target: u32, rng: &mut Rng, lines: &mut Vec<String>) -> Option<String> {
    for next in shuffled_moves(table, rng) {
        if lines.len() >= MAX_LINES {
            return None;
        }
        let after = show(&next, table, target, lines);
        let found = match after.as_slice() {
            [last] => (last.value == target).then(|| last.expression().to_owned()),
            rest => descend(rest, target, rng, lines),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// A search in a fixed order that leaves out nothing once three numbers remain: each first move in
/// turn, and under it only the last moves that the sizes of the two numbers allow. With four
/// numbers a first move is guessed; a wrong guess is searched to its end before the next.
pub(super) fn orderly(problem: &Problem, rng: &mut Rng) -> Search {
    let target = problem.target;
    let mut table = problem.table();
    let mut lines = Vec::new();
    while table.len() > 3 {
        let numbers = values(&table);
        let (right, wrong): (Vec<Move>, Vec<Move>) = shuffled_moves(&table, rng)
            .into_iter()
            .partition(|next| leads_to(&numbers, next, target));
        if let Some(guess) = wrong.first().filter(|_| rng.percent(WRONG_GUESS_PERCENT)) {
            let rest = show(guess, &table, target, &mut lines);
            exhaust(&rest, target, &mut lines);
        }
        let Some(next) = right.first() else { break };
        table = show(next, &table, target, &mut lines);
    }
    match exhaust(&table, target, &mut lines) {
        Some(answer) => Search { lines, answer },
        None => random(problem, rng),
    }
}

/// Every way to end a table of three, until one makes the target.
fn exhaust(table: &[Item], target: u32, lines: &mut Vec<String>) -> Option<String> {
    for first in moves(&values(table)) {
        let pair = show(&first, table, target, lines);
        let numbers = values(&pair);
        for last in moves(&numbers).iter().filter(|last| last.may_make(target, &numbers)) {
            let made = show(last, &pair, target, lines);
            if last.value == target {
                return made.first().map(|item| item.expression().to_owned());
            }
        }
    }
    None
}

/// A search that knows where solutions lie: right moves, with a detour now and then that is soon
/// given up.
fn guided(problem: &Problem, rng: &mut Rng) -> Search {
    let target = problem.target;
    let mut table = problem.table();
    let mut lines = Vec::new();
    while table.len() > 1 {
        let numbers = values(&table);
        let (right, wrong): (Vec<Move>, Vec<Move>) = shuffled_moves(&table, rng)
            .into_iter()
            .partition(|next| leads_to(&numbers, next, target));
        for detour in wrong {
            let room = lines.len() + 2 * (table.len() - 1) <= MAX_LINES;
            if !room || !rng.percent(DETOUR_PERCENT) {
                break;
            }
            try_out(detour, &table, target, rng, &mut lines);
        }
        let Some(next) = right.first() else { break };
        table = show(next, &table, target, &mut lines);
    }
    let answer = table.pop().map(|item| item.expression().to_owned()).unwrap_or_default();
    Search { lines, answer }
}

/// Shows a wrong move and one random way on from it to its end.
fn try_out(wrong: Move, table: &[Item], target: u32, rng: &mut Rng, lines: &mut Vec<String>) {
    let mut table = table.to_vec();
    let mut next = Some(wrong);
    while let Some(made) = next {
        table = show(&made, &table, target, lines);
        next = shuffled_moves(&table, rng).pop();
    }
}

/// Writes a move's line and returns the table after it.
fn show(made: &Move, table: &[Item], target: u32, lines: &mut Vec<String>) -> Vec<Item> {
    let after = made.apply(table);
    let outcome = if after.len() > 1 {
        let left: Vec<String> = values(&after).iter().map(u32::to_string).collect();
        format!("left {}", left.join(" "))
    } else {
        (if made.value == target { "yes" } else { "no" }).to_owned()
    };
    lines.push(format!("{} {outcome}", made.sum(table)));
    after
}
