//! Worked searches, one move a line, at most [`MAX_LINES`]: `12*7=84 left 19 84`, and for a last
//! move
//! `84-19=65 no` or `31-7=24 yes`.

use super::Problem;
use super::arithmetic::{Item, Move, shuffled_moves, solvable};
use crate::datasets::rng::Rng;

/// Longest search that is shown.
pub(super) const MAX_LINES: usize = 14;
/// Random searches tried before a guided one is shown instead.
const ATTEMPTS: usize = 40;
/// Chance in percent that a guided search tries a wrong move before a right one.
const DETOUR_PERCENT: u32 = 30;

/// A search that ended well.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) lines: Vec<String>,
    pub(super) answer: String,
}

/// A depth-first search that tries moves in random order; the first of a few that comes to an end
/// in time.
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
        lines.push(line(&next, target));
        let found = match next.table.as_slice() {
            [last] => (last.value == target).then(|| last.expression().to_owned()),
            rest => descend(rest, target, rng, lines),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// A search that knows where solutions lie: right moves, with a detour now and then that is soon
/// given up.
pub(super) fn guided(problem: &Problem, rng: &mut Rng) -> Search {
    let mut table = problem.table();
    let mut lines = Vec::new();
    while table.len() > 1 {
        let (right, wrong): (Vec<Move>, Vec<Move>) = shuffled_moves(&table, rng)
            .into_iter()
            .partition(|next| solvable(&next.table, problem.target));
        for detour in wrong {
            let room = lines.len() + 2 * table.len() <= MAX_LINES;
            if !room || !rng.percent(DETOUR_PERCENT) {
                break;
            }
            try_out(detour, problem.target, rng, &mut lines);
        }
        let Some(next) = right.into_iter().next() else { break };
        lines.push(line(&next, problem.target));
        table = next.table;
    }
    Search {
        lines,
        answer: table.pop().map(|item| item.expression().to_owned()).unwrap_or_default(),
    }
}

/// Shows a wrong move and one random way on from it to its end.
fn try_out(wrong: Move, target: u32, rng: &mut Rng, lines: &mut Vec<String>) {
    let mut next = Some(wrong);
    while let Some(current) = next {
        lines.push(line(&current, target));
        next = shuffled_moves(&current.table, rng).pop();
    }
}

/// One line of a search.
fn line(next: &Move, target: u32) -> String {
    match next.table.as_slice() {
        [_] => format!("{} {}", next.line, if next.value() == target { "yes" } else { "no" }),
        table => {
            let left: Vec<String> = table.iter().map(|item| item.value.to_string()).collect();
            format!("{} left {}", next.line, left.join(" "))
        }
    }
}
