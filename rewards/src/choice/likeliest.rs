//! The likeliest of several options. As sums of log-probs, and as sums per byte of the option's text
//! (what lm-evaluation-harness reports as `acc` and `acc_norm`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Failure, Grade};

/// How likely a model finds one option as the continuation of the question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceScore {
    /// Sum of the log-probs of the option's tokens, natural logarithm.
    pub log_prob: f64,
    /// Length of the option's text in bytes.
    pub bytes: usize,
}

/// The grade of the likeliest option; ties go to the earlier one.
///
/// # Errors
/// [`Failure::Grader`] for a log-prob that is no number, or fewer options than the truth's index.
pub(super) fn grade(index: usize, scores: &[ChoiceScore]) -> Result<Grade, Failure> {
    let bad = scores.iter().position(|score| score.log_prob.is_nan());
    if let Some(bad) = bad {
        return Err(Failure::Grader(format!("the log-prob of option {bad} is not a number")));
    }
    if index >= scores.len() {
        let count = scores.len();
        return Err(Failure::Grader(format!(
            "{count} options were scored, but the right one has index {index}"
        )));
    }
    let sums = largest(scores.iter().map(|score| score.log_prob));
    let per_byte = largest(scores.iter().map(|score| score.log_prob / score.bytes.max(1) as f64));
    let mut grade = judged([sums, per_byte], index, "no answer");
    let values: Vec<f64> = scores.iter().map(|score| score.log_prob).collect();
    grade.detail = json!({ "log_probs": values });
    Ok(grade)
}

/// The index of the largest value, the first of equal ones.
fn largest(values: impl Iterator<Item = f64>) -> Option<usize> {
    let first_largest = |best: Option<(usize, f64)>, (index, value): (usize, f64)| match best {
        Some((_, largest)) if value <= largest => best,
        _ => Some((index, value)),
    };
    values.enumerate().fold(None, first_largest).map(|(index, _)| index)
}

/// A grade of the options chosen by sum and per byte.
pub(super) fn judged(chosen: [Option<usize>; 2], index: usize, nothing: &str) -> Grade {
    let value = |chosen: Option<usize>| f64::from(u8::from(chosen == Some(index)));
    let verdict = match chosen[0] {
        Some(one) if one == index => "correct",
        Some(_) => "wrong answer",
        None => nothing,
    };
    Grade {
        measures: [
            ("accuracy".to_owned(), value(chosen[0])),
            ("accuracy_norm".to_owned(), value(chosen[1])),
        ]
        .into(),
        verdict: verdict.to_owned(),
        answer: chosen[0].and_then(super::letter::of).map(String::from),
        detail: Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(log_prob: f64, bytes: usize) -> ChoiceScore {
        ChoiceScore { log_prob, bytes }
    }

    #[test]
    fn the_sum_prefers_short_options_and_the_mean_does_not() {
        let scores = [score(-3.0, 2), score(-4.0, 10), score(-9.0, 3)];
        let grade = grade(1, &scores).unwrap();
        assert_eq!((grade.measures["accuracy"], grade.measures["accuracy_norm"]), (0.0, 1.0));
        assert_eq!((grade.verdict.as_str(), grade.answer.as_deref()), ("wrong answer", Some("A")));
    }

    #[test]
    fn ties_go_to_the_earlier_and_impossible_options_lose() {
        let scores = [score(f64::NEG_INFINITY, 1), score(-1.0, 1), score(-1.0, 1)];
        assert_eq!(grade(1, &scores).unwrap().verdict, "correct");
    }

    #[test]
    fn what_is_no_score_is_a_failure() {
        assert!(grade(0, &[score(f64::NAN, 1)]).is_err());
        assert!(grade(2, &[score(-1.0, 1)]).is_err());
    }
}
