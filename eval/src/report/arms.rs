//! What an arm's answers were like: how many, how long, how dear, and what the grader called them.

use std::collections::{BTreeMap, HashSet};

use super::evidence::{Evidence, Row};
use super::results::{ArmSummary, Estimate, Spread};
use crate::statistics::wilson_of_parts;

/// Most reasons of failure that are told.
const REASONS: usize = 8;

/// One summary for each arm.
pub(crate) fn summaries(evidence: &Evidence) -> Vec<ArmSummary> {
    (0..evidence.run.arms.len()).map(|arm| summary(evidence, arm)).collect()
}

fn summary(evidence: &Evidence, arm: usize) -> ArmSummary {
    let all: Vec<&Row> = evidence.rows.iter().filter(|row| usize::from(row.arm) == arm).collect();
    let graded: Vec<&Row> = all.iter().copied().filter(|row| row.graded).collect();
    let failed = all.iter().copied().filter(|row| !row.graded);
    let mut failures: Vec<(String, usize)> =
        counts(evidence, failed.map(|row| row.word)).into_iter().collect();
    failures.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    failures.truncate(REASONS);
    let shares = truncated_shares(evidence, &graded);
    let answered: HashSet<u32> = graded.iter().map(|row| row.problem).collect();
    let prompts = graded.iter().filter_map(|row| row.prompt_tokens).map(u64::from);
    let expected = evidence.problems.len() * evidence.run.sampling.samples;
    ArmSummary {
        label: evidence.run.arms[arm].label.clone(),
        expected,
        graded: graded.len(),
        failed: all.len() - graded.len(),
        absent: expected.saturating_sub(all.len()),
        unanswered: evidence.problems.len() - answered.len(),
        failures,
        finishes: counts(evidence, graded.iter().map(|row| row.finish)),
        ended: graded.iter().filter(|row| row.truncated.is_some()).count(),
        truncated: graded.iter().filter(|row| row.truncated == Some(true)).count(),
        truncated_share: share(&shares),
        prompt_tokens: prompts.reduce(|sum, tokens| sum + tokens),
        completion_tokens: spread(graded.iter().map(|row| row.completion_tokens.map(f64::from))),
        characters: spread(graded.iter().map(|row| row.characters.map(f64::from))),
        seconds: spread(graded.iter().map(|row| row.seconds.map(f64::from))),
        verdicts: counts(evidence, graded.iter().map(|row| row.word)),
    }
}

/// How often each word is there.
fn counts(evidence: &Evidence, words: impl Iterator<Item = u32>) -> BTreeMap<String, usize> {
    let mut by_number: BTreeMap<u32, usize> = BTreeMap::new();
    for word in words {
        *by_number.entry(word).or_default() += 1;
    }
    let words = by_number.into_iter();
    words.map(|(number, count)| (evidence.words.word(number).to_owned(), count)).collect()
}

/// For each problem with an answer that ended for a known reason, the share of those that were cut.
fn truncated_shares(evidence: &Evidence, graded: &[&Row]) -> Vec<f64> {
    let mut counts = vec![(0u32, 0u32); evidence.problems.len()];
    for row in graded {
        let (all, cut) = &mut counts[row.problem as usize];
        *all += u32::from(row.truncated.is_some());
        *cut += u32::from(row.truncated == Some(true));
    }
    let answered = counts.into_iter().filter(|&(all, _)| all > 0);
    answered.map(|(all, cut)| f64::from(cut) / f64::from(all)).collect()
}

/// The mean of shares, with Wilson's interval over as many problems: answers to one problem count as one,
/// and one answer more that was cut only moves it up.
fn share(shares: &[f64]) -> Estimate {
    let sum: f64 = shares.iter().sum();
    let some = !shares.is_empty();
    Estimate {
        value: some.then(|| sum / shares.len() as f64),
        interval: some.then(|| wilson_of_parts(sum, shares.len())),
    }
}

fn spread(numbers: impl Iterator<Item = Option<f64>>) -> Option<Spread> {
    let mut sorted: Vec<f64> = numbers.flatten().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let &largest = sorted.last()?;
    let total: f64 = sorted.iter().sum();
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        1 => sorted[middle],
        _ => 0.5 * (sorted[middle - 1] + sorted[middle]),
    };
    Some(Spread { total, mean: total / sorted.len() as f64, median, largest })
}
