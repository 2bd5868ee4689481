//! From a reply to a grade: the suite's grader for texts, sums of log-probabilities for scores.
//! Leaves out judges, which are asked over HTTP.

use rewards::{ChoiceScore, Completion, Failure, Grade, Grader};
use serde_json::json;

use crate::Measure;
use crate::ask::Reply;
use crate::client::Scored;
use crate::problems::{Problem, Truth};

/// Tries of one grading whose grader failed.
const TRIES: usize = 3;

/// The grade of a text or of an option by its log-probabilities.
pub(crate) fn grade(grader: &Grader, problem: &Problem, reply: &Reply) -> Result<Grade, String> {
    let Truth::Reference(reference) = &problem.truth else {
        return Err("the problem has no truth for the suite's grader".to_owned());
    };
    let once = || match reply {
        Reply::Text(answer) => {
            let completion = Completion {
                prompt: problem.question.text(),
                text: &answer.text,
                finish: Some(&answer.finish),
            };
            grader.grade(reference, &completion)
        }
        Reply::Scores(scores, _) => {
            let options = match reference {
                rewards::Reference::Choice { options, .. } => options.as_slice(),
                _ => &[],
            };
            let scores: Vec<ChoiceScore> = scores
                .iter()
                .zip(options)
                .map(|(score, option)| ChoiceScore {
                    log_prob: score.log_prob,
                    bytes: option.len(),
                })
                .collect();
            grader.grade_choices(reference, &scores)
        }
    };
    let mut tries = 1;
    loop {
        match once() {
            Ok(grade) => return Ok(grade),
            Err(Failure::Grader(_)) if tries < TRIES => tries += 1,
            Err(failure) => return Err(failure.to_string()),
        }
    }
}

/// What an arm's scores are held against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Against<'s> {
    /// Nothing: it is the run's only arm.
    Nothing,
    /// Nothing: it is the arm that the others are held against.
    Itself,
    /// The reference arm's scores.
    Reference(&'s [Scored]),
}

/// The grade of a preference: does the policy, less the reference, find the better answer likelier?
/// By the sum of its tokens' log-probabilities (DPO's implicit reward, Rafailov et al. 2023) and by
/// their mean; `policy_sum` and `policy_mean` leave the reference out. The verdict is that of `sum`, which
/// the reference arm has none of, and of `policy_sum` for an only arm. Of two equal answers none is better,
/// whatever their scores.
pub(crate) fn preference(
    pair: &Truth,
    policy: &[Scored],
    against: Against<'_>,
) -> Result<Grade, String> {
    let ([chosen, rejected], Truth::Pair(better, worse)) = (policy, pair) else {
        return Err("a preference needs two answers and their two scores".to_owned());
    };
    let equal = better == worse;
    let mut grade = Grade {
        detail: json!({"chosen": shown(chosen), "rejected": shown(rejected)}),
        ..Grade::default()
    };
    let margin = |margin: f64| if equal { 0.0 } else { margin };
    let mut put = |name: &str, value: f64| grade.measures.insert(name.to_owned(), value);
    let by_itself = margin(chosen.log_prob - rejected.log_prob);
    put("policy_sum", win(by_itself));
    put("policy_mean", win(margin(mean(chosen) - mean(rejected))));
    let verdict = match against {
        Against::Nothing => word(by_itself, equal),
        Against::Itself => "reference",
        Against::Reference([first, second]) => {
            let sum =
                margin(chosen.log_prob - rejected.log_prob - first.log_prob + second.log_prob);
            let means = mean(chosen) - mean(first) - (mean(rejected) - mean(second));
            put("sum", win(sum));
            put("mean", win(margin(means)));
            put("margin", sum);
            word(sum, equal)
        }
        Against::Reference(_) => return Err("the reference arm has no two scores".to_owned()),
    };
    grade.verdict = verdict.to_owned();
    Ok(grade)
}

fn word(margin: f64, equal: bool) -> &'static str {
    match margin {
        _ if equal => "tie, the answers are equal",
        margin if margin > 0.0 => "prefers the better answer",
        margin if margin < 0.0 => "prefers the worse answer",
        _ => "tie",
    }
}

/// What the grades of a preference carry, headline first. `sum`, `mean` and `margin` are those of arms
/// other than the reference.
pub(crate) fn preference_measures() -> Vec<Measure> {
    let rate = Measure::preference;
    vec![
        rate("sum", "Prefers the better answer, less the reference: by the sum over tokens"),
        rate("mean", "Prefers the better answer, less the reference: by the mean over tokens"),
        rate("policy_sum", "Prefers the better answer by itself: by the sum over tokens"),
        rate("policy_mean", "Prefers the better answer by itself: by the mean over tokens"),
        Measure::score(
            "margin",
            "The better answer's gain in log-probability, less the worse one's",
        ),
    ]
}

/// 1 for a preference of the better answer, 1/2 for none.
fn win(margin: f64) -> f64 {
    if margin > 0.0 {
        1.0
    } else if margin < 0.0 {
        0.0
    } else {
        0.5
    }
}

fn mean(scored: &Scored) -> f64 {
    scored.log_prob / scored.tokens.max(1) as f64
}

fn shown(scored: &Scored) -> serde_json::Value {
    json!({"log_prob": scored.log_prob, "tokens": scored.tokens})
}

/// The scores that [`preference`] wrote down, to hold other arms against.
pub(crate) fn scores_of(grade: &Grade) -> Option<Vec<Scored>> {
    let read = |name: &str| {
        let scored = &grade.detail[name];
        let tokens = usize::try_from(scored["tokens"].as_u64()?).ok()?;
        Some(Scored { log_prob: scored["log_prob"].as_f64()?, tokens })
    };
    Some(vec![read("chosen")?, read("rejected")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(chosen: (f64, usize), rejected: (f64, usize)) -> Vec<Scored> {
        let of = |(log_prob, tokens)| Scored { log_prob, tokens };
        vec![of(chosen), of(rejected)]
    }

    #[test]
    fn the_reference_is_taken_off() {
        // The policy finds the worse answer likelier, but less so than the reference does.
        let policy = pair((-20.0, 10), (-15.0, 5));
        let reference = pair((-26.0, 10), (-16.0, 5));
        let answers = Truth::Pair("good".to_owned(), "bad".to_owned());
        let against = |reference| preference(&answers, &policy, reference).unwrap();
        let grade = against(Against::Reference(&reference));
        let of = |name: &str| grade.measures[name];
        assert_eq!((of("policy_sum"), of("policy_mean")), (0.0, 1.0), "-20 < -15, but -2 > -3");
        assert_eq!((of("sum"), of("margin")), (1.0, 5.0), "(-20 + 26) - (-15 + 16)");
        assert_eq!(of("mean"), 1.0, "0.6 - 0.2");
        assert_eq!(grade.verdict, "prefers the better answer");
        assert_eq!(scores_of(&grade).unwrap(), policy);
        let same = against(Against::Reference(&policy));
        assert_eq!((same.measures["sum"], same.verdict.as_str()), (0.5, "tie"));
    }

    #[test]
    fn the_reference_has_no_verdict_of_another_quantity() {
        let policy = pair((-20.0, 10), (-15.0, 5));
        let answers = Truth::Pair("good".to_owned(), "bad".to_owned());
        let of = |against| preference(&answers, &policy, against).unwrap();
        let (reference, alone) = (of(Against::Itself), of(Against::Nothing));
        assert_eq!((reference.verdict.as_str(), reference.measures.len()), ("reference", 2));
        assert_eq!(
            alone.verdict, "prefers the worse answer",
            "by itself, as nothing else is there"
        );
    }

    #[test]
    fn of_equal_answers_none_is_better() {
        // A server that does not give the same text the same score twice.
        let policy = pair((-20.0, 10), (-20.001, 10));
        let answers = Truth::Pair("same".to_owned(), "same".to_owned());
        let reference = pair((-19.0, 10), (-19.0, 10));
        let grade = preference(&answers, &policy, Against::Reference(&reference)).unwrap();
        assert_eq!(grade.verdict, "tie, the answers are equal");
        let ties = ["sum", "mean", "policy_sum", "policy_mean"].map(|name| grade.measures[name]);
        assert_eq!((ties, grade.measures["margin"]), ([0.5; 4], 0.0));
    }
}
