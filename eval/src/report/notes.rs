//! What a reader must know before trusting the numbers: what is missing, what was left out, what is
//! thin. Loudest first.

use super::evidence::Evidence;
use super::markdown::left_out;
use super::numbers::several;
use super::results::Results;
use super::tally::Tally;
use super::text::name;
use crate::protection::changed;
use crate::record::MeasureKind;

/// Below this many problems an interval is rough whatever its method.
const FEW: usize = 30;

/// Above this share of answers cut off, a rate tells of the limit as much as of the arm.
const MANY_CUT: f64 = 0.05;

/// The notes, each a sentence or two.
pub(crate) fn notes(evidence: &Evidence, tally: &Tally, results: &Results) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(differing_gaps(evidence, results));
    notes.extend(not_sent(results));
    notes.extend(protections(results));
    notes.extend(failed(results));
    notes.extend(absent(evidence, results));
    notes.extend(measures(evidence, tally));
    notes.extend(short(results));
    notes.extend(no_answers(results));
    notes.extend(cut(results));
    if results.problems < FEW {
        let verb = if results.problems == 1 { "is" } else { "are" };
        notes.push(format!(
            "There {verb} only {}: intervals from so few are rough.",
            several(results.problems, "problem")
        ));
    }
    notes
}

/// Arms that miss different problems: their rates are over different problems.
fn differing_gaps(evidence: &Evidence, results: &Results) -> Option<String> {
    let arms = evidence.run.arms.len();
    let mut answered = vec![vec![false; evidence.problems.len()]; arms];
    for row in evidence.rows.iter().filter(|row| row.graded) {
        answered[usize::from(row.arm)][row.problem as usize] = true;
    }
    if answered.windows(2).all(|pair| pair[0] == pair[1]) {
        return None;
    }
    let missing = results.arms.iter().map(|a| format!("{}: {}", name(&a.label), a.unanswered));
    Some(format!(
        "THE ARMS MISS DIFFERENT PROBLEMS ({}). Their rates are over different problems and cannot be \
         set side by side; the differences are over the problems that both answered.",
        missing.collect::<Vec<_>>().join(", ")
    ))
}

/// Fields that the server refuses: answers were drawn otherwise than was asked.
fn not_sent(results: &Results) -> Option<String> {
    let run = &results.run;
    (!run.not_sent.is_empty()).then(|| {
        format!(
            "Not sent: {}. The server refuses such fields by name, so its own defaults held for them.",
            left_out(run)
        )
    })
}

/// Parts whose programs were graded behind different walls.
fn protections(results: &Results) -> Option<String> {
    let parts = results.run.protections.as_array().filter(|parts| parts.len() > 1)?;
    Some(format!(
        "Programs of different parts were graded under different protections ({}): a verdict on one that \
         minds them may be the sandbox's doing.",
        changed(&parts[0], &parts[1])
    ))
}

fn failed(results: &Results) -> Option<String> {
    let failed = results.arms.iter().filter(|arm| arm.failed > 0);
    let counts: Vec<String> =
        failed.map(|arm| format!("{}: {}", name(&arm.label), arm.failed)).collect();
    (!counts.is_empty()).then(|| {
        format!(
            "Samples on which the server or the grader failed are in no rate ({}). Run again to ask \
             for them, or only to grade what was answered.",
            counts.join(", ")
        )
    })
}

fn absent(evidence: &Evidence, results: &Results) -> Vec<String> {
    let mut notes = Vec::new();
    let absent: usize = results.arms.iter().map(|arm| arm.absent).sum();
    if let Some(shard) = &evidence.run.shard {
        notes.push(format!("This is shard {} of an evaluation.", name(shard)));
    } else if absent > 0 {
        let expected: usize = results.arms.iter().map(|arm| arm.expected).sum();
        notes.push(format!(
            "The run is not complete: {absent} of {expected} samples are not asked for yet."
        ));
    }
    if evidence.torn {
        notes.push("The last line of samples.jsonl was cut off and is left out.".to_owned());
    }
    notes
}

fn measures(evidence: &Evidence, tally: &Tally) -> Vec<String> {
    let mut notes = Vec::new();
    for (at, measure) in evidence.run.measures.iter().enumerate() {
        let title = name(&measure.name);
        if tally.lacking[at] > 0 {
            notes.push(format!(
                "{} without {title}: in none of its numbers.",
                several(tally.lacking[at], "graded sample")
            ));
        }
        if tally.between[at] > 0 {
            let odd = match measure.kind {
                MeasureKind::Preference => "not from 0 to 1: counted as the nearer of the two",
                MeasureKind::Verdict | MeasureKind::Score => {
                    "neither 0 nor 1: counted as not passed"
                }
            };
            let samples = several(tally.between[at], "graded sample");
            notes.push(format!("{samples} with a {title} that is {odd}."));
        }
    }
    notes
}

/// Problems with fewer samples than pass@k needs, for the headline measure.
fn short(results: &Results) -> Vec<String> {
    let headline = &results.run.measures[0].name;
    let of = |rate: &&super::Rate| {
        let shown = rate.cut.k.is_some_and(|k| k > 1 && results.run.k.contains(&k));
        rate.cut.measure == *headline && rate.cut.group.is_none() && shown && rate.short > 0
    };
    let short = results.rates.iter().filter(of).map(|rate| {
        format!(
            "pass@{} of {} leaves out {} with fewer graded samples.",
            rate.cut.k.unwrap_or(0),
            name(&rate.arm),
            several(rate.short, "problem")
        )
    });
    short.collect()
}

/// Ends of a reply that is no attempt at an answer.
const NO_ANSWER: [&str; 4] = ["content_filter", "refusal", "tool_calls", "function_call"];

/// Answers that were withheld or refused, or that call a tool: they are graded as they are.
fn no_answers(results: &Results) -> Vec<String> {
    let note = |arm: &super::ArmSummary| {
        let ends = NO_ANSWER.iter();
        let found: Vec<(usize, &str)> =
            ends.filter_map(|end| Some((*arm.finishes.get(*end)?, *end))).collect();
        let times: usize = found.iter().map(|(times, _)| times).sum();
        let each: Vec<String> = found.iter().map(|(times, end)| format!("{end} {times}")).collect();
        (times > 0).then(|| {
            format!(
                "{times} of {} replies of {} are no attempt ({}): withheld by the server, refused, or a \
                 call of a tool. They are graded as they are, and count as wrong where that is wrong.",
                arm.graded,
                name(&arm.label),
                each.join(", ")
            )
        })
    };
    results.arms.iter().filter_map(note).collect()
}

fn cut(results: &Results) -> Vec<String> {
    let limit = match results.run.given {
        true => "their limit of tokens".to_owned(),
        false => format!("the limit of {} tokens", results.run.sampling.max_tokens),
    };
    let many = results.arms.iter().filter(|arm| arm.truncated_share.value > Some(MANY_CUT));
    many.map(|arm| {
        format!(
            "{:.1} % of the answers of {} ({} of {}) ended at {limit}: with more room it might fare better.",
            100.0 * arm.truncated_share.value.unwrap_or_default(),
            name(&arm.label),
            arm.truncated,
            arm.ended,
        )
    })
    .collect()
}
