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

/// The grade of a preference: does the policy, less the reference, find the better answer likelier?
/// By the sum of its tokens' log-probabilities (DPO's implicit reward, Rafailov et al. 2023) and by
/// their mean; `policy_sum` and `policy_mean` leave the reference out.
pub(crate) fn preference(policy: &[Scored], reference: Option<&[Scored]>) -> Result<Grade, String> {
    let [chosen, rejected] = policy else {
        return Err("a preference needs two scores".to_owned());
    };
    let mut grade = Grade {
        detail: json!({"chosen": shown(chosen), "rejected": shown(rejected)}),
        ..Grade::default()
    };
    let mut put = |name: &str, margin: f64| grade.measures.insert(name.to_owned(), win(margin));
    put("policy_sum", chosen.log_prob - rejected.log_prob);
    put("policy_mean", mean(chosen) - mean(rejected));
    let mut headline = chosen.log_prob - rejected.log_prob;
    if let Some([better, worse]) = reference {
        headline -= better.log_prob - worse.log_prob;
        put("sum", headline);
        put("mean", mean(chosen) - mean(better) - (mean(rejected) - mean(worse)));
        grade.measures.insert("margin".to_owned(), headline);
    }
    let verdict = match headline {
        margin if margin > 0.0 => "prefers the better answer",
        margin if margin < 0.0 => "prefers the worse answer",
        _ => "tie",
    };
    grade.verdict = verdict.to_owned();
    Ok(grade)
}

/// What the grades of a preference carry, headline first. The shares count a tie as half, so they are
/// means and not verdicts; `sum`, `mean` and `margin` are those of arms other than the reference.
pub(crate) fn preference_measures() -> Vec<Measure> {
    let score = Measure::score;
    vec![
        score("sum", "Prefers the better answer, less the reference: by the sum over tokens"),
        score("mean", "Prefers the better answer, less the reference: by the mean over tokens"),
        score("policy_sum", "Prefers the better answer by itself: by the sum over tokens"),
        score("policy_mean", "Prefers the better answer by itself: by the mean over tokens"),
        score("margin", "The better answer's gain in log-probability, less the worse one's"),
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
        let grade = preference(&policy, Some(&reference)).unwrap();
        let of = |name: &str| grade.measures[name];
        assert_eq!((of("policy_sum"), of("policy_mean")), (0.0, 1.0), "-20 < -15, but -2 > -3");
        assert_eq!((of("sum"), of("margin")), (1.0, 5.0), "(-20 + 26) - (-15 + 16)");
        assert_eq!(of("mean"), 1.0, "0.6 - 0.2");
        assert_eq!(grade.verdict, "prefers the better answer");
        assert_eq!(scores_of(&grade).unwrap(), policy);
        let same = preference(&policy, Some(&policy)).unwrap();
        assert_eq!((same.measures["sum"], same.verdict.as_str()), (0.5, "tie"));
        assert!(!preference(&policy, None).unwrap().measures.contains_key("sum"));
    }
}
