//! The grade of a reply: both verdicts side by side, and what a reader would look at.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::lcb::{self, LcbVerdict};
use super::problem::{CodeProblem, Kind, SHOWN, Test, cut};
use super::real::{self, Status, TestResult};
use super::settings::Checker;
use super::{Extraction, official};
use crate::{Completion, Failure, Grade};

/// Failing tests that are shown in full.
const SHOWN_TESTS: usize = 3;

/// Grades `completion`: measure `real`, and `lcb` where the benchmark has that verdict.
///
/// # Errors
/// [`Failure::Problem`] for a problem without tests or with tests that cannot be read,
/// [`Failure::Grader`] when the sandbox fails. Never for anything the program does.
pub fn grade(
    checker: &Checker,
    problem: &CodeProblem,
    completion: &Completion<'_>,
) -> Result<Grade, Failure> {
    let tests = checker.tests(problem)?;
    if tests.is_empty() {
        return Err(Failure::Problem(format!("problem {} has no tests", problem.id)));
    }
    let program = checker.program(problem, completion.text);
    let results = match &program {
        Some(program) => real::judge(checker, problem, &tests, program)?,
        None => Vec::new(),
    };
    let real = !results.is_empty() && results.iter().all(|r| r.status == Status::Accepted);
    let failed = results.iter().map(|r| r.status).find(|&status| status != Status::Accepted);
    let verdict = match (failed, real) {
        (Some(status), _) => status.verdict(),
        (None, true) => "correct",
        (None, false) => completion.nothing_found(),
    };
    let mut measures = BTreeMap::from([("real".to_owned(), f64::from(u8::from(real)))]);
    let mut detail = json!({
        "tests": tests.len(),
        "statuses": results.iter().map(|result| result.status).collect::<Vec<_>>(),
        "failed": shown_failures(&tests, &results),
        // The sum of no floats is -0.
        "cpu": results.iter().map(|result| result.cpu).fold(0.0, |sum, cpu| sum + cpu),
    });
    if problem.kind != Kind::Python {
        let official = by_official_rules(checker, problem, &tests, completion.text)?;
        measures.insert("lcb".to_owned(), f64::from(u8::from(official.passes())));
        detail["lcb"] = serde_json::to_value(&official).unwrap_or_default();
        detail["differ"] = Value::from(official.passes() != real);
    }
    Ok(Grade { measures, verdict: verdict.to_owned(), answer: program, detail })
}

/// The official verdict goes by the official extraction; a reply without a program is the empty one.
fn by_official_rules(
    checker: &Checker,
    problem: &CodeProblem,
    tests: &[Test],
    reply: &str,
) -> Result<LcbVerdict, Failure> {
    let program = match checker.settings.extraction {
        Extraction::Whole => Extraction::Whole.extract(reply, None),
        Extraction::Official | Extraction::Robust => official(reply),
    };
    lcb::judge(checker, problem, tests, &program.unwrap_or_default())
}

fn shown_failures(tests: &[Test], results: &[TestResult]) -> Value {
    let failed = tests.iter().zip(results).enumerate();
    let failed = failed.filter(|(_, (_, result))| result.status != Status::Accepted);
    let shown = failed.take(SHOWN_TESTS).map(|(index, (test, result))| {
        json!({
            "test": index + 1,
            "status": result.status,
            "reason": result.reason,
            "input": cut(&test.input),
            "expected": cut(&test.output),
            "output": cut(&String::from_utf8_lossy(&result.output)),
            "stderr": cut_front(&String::from_utf8_lossy(&result.stderr)),
            "cpu": result.cpu,
            "wall": result.wall,
        })
    });
    shown.collect()
}

/// The end of a text, as a traceback says at its end what happened.
fn cut_front(text: &str) -> String {
    match text.char_indices().rev().nth(SHOWN - 1) {
        None | Some((0, _)) => text.to_owned(),
        Some((start, _)) => format!("...{}", &text[start..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(SHOWN + 1);
        assert_eq!(cut(&long).chars().count(), SHOWN + 3);
        assert_eq!(cut_front(&long).chars().count(), SHOWN + 3);
        assert!(cut_front(&long).starts_with("...é"));
        let fits = "é".repeat(SHOWN);
        assert_eq!((cut(&fits), cut_front(&fits)), (fits.clone(), fits.clone()));
    }
}
