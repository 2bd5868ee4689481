//! What an arm's answers were like: how many, how long, how dear, and what the grader called them.

use std::collections::BTreeMap;

use super::evidence::{Evidence, Row};
use super::results::{ArmSummary, Estimate, Spread};
use crate::statistics::{self, Draws};

/// Most reasons of failure that are told.
const REASONS: usize = 8;

/// One summary for each arm.
pub(crate) fn summaries(evidence: &Evidence, draws: Draws) -> Vec<ArmSummary> {
    (0..evidence.run.arms.len()).map(|arm| summary(evidence, arm, draws)).collect()
}

fn summary(evidence: &Evidence, arm: usize, draws: Draws) -> ArmSummary {
    let all: Vec<&Row> = evidence.rows.iter().filter(|row| usize::from(row.arm) == arm).collect();
    let graded: Vec<&Row> = all.iter().copied().filter(|row| row.graded).collect();
    let failed = all.iter().copied().filter(|row| !row.graded);
    let mut failures: Vec<(String, usize)> = counts(evidence, failed).into_iter().collect();
    failures.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    failures.truncate(REASONS);
    let shares = truncated_shares(evidence, &graded);
    let (value, interval) = statistics::mean(&shares, true, draws);
    let expected = evidence.problems.len() * evidence.run.sampling.samples;
    ArmSummary {
        label: evidence.run.arms[arm].label.clone(),
        expected,
        graded: graded.len(),
        failed: all.len() - graded.len(),
        absent: expected.saturating_sub(all.len()),
        unanswered: evidence.problems.len() - shares.len(),
        failures,
        truncated: graded.iter().filter(|row| row.truncated).count(),
        truncated_share: Estimate { value, interval },
        prompt_tokens: graded.iter().map(|row| u64::from(row.prompt_tokens)).sum(),
        completion_tokens: spread(graded.iter().map(|row| f64::from(row.completion_tokens))),
        characters: spread(graded.iter().map(|row| f64::from(row.characters))),
        seconds: spread(graded.iter().map(|row| f64::from(row.seconds))),
        verdicts: counts(evidence, graded.into_iter()),
    }
}

/// How often each verdict, or each reason, is there.
fn counts<'a>(evidence: &Evidence, rows: impl Iterator<Item = &'a Row>) -> BTreeMap<String, usize> {
    let mut by_number: BTreeMap<u32, usize> = BTreeMap::new();
    for row in rows {
        *by_number.entry(row.word).or_default() += 1;
    }
    let words = by_number.into_iter();
    words.map(|(number, count)| (evidence.words.word(number).to_owned(), count)).collect()
}

/// For each problem answered, the share of its answers that were cut; rows come by problem.
fn truncated_shares(evidence: &Evidence, graded: &[&Row]) -> Vec<f64> {
    let mut counts = vec![(0u32, 0u32); evidence.problems.len()];
    for row in graded {
        let (all, cut) = &mut counts[row.problem as usize];
        *all += 1;
        *cut += u32::from(row.truncated);
    }
    let answered = counts.into_iter().filter(|&(all, _)| all > 0);
    answered.map(|(all, cut)| f64::from(cut) / f64::from(all)).collect()
}

fn spread(numbers: impl Iterator<Item = f64>) -> Spread {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(&largest) = sorted.last() else { return Spread::default() };
    let total: f64 = sorted.iter().sum();
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        1 => sorted[middle],
        _ => 0.5 * (sorted[middle - 1] + sorted[middle]),
    };
    Spread { total, mean: total / sorted.len() as f64, median, largest }
}
