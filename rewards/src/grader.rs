//! One type for every grader: settings as a suite's file gives them, a problem's truth out of a row,
//! and the grade of an answer. Leaves out how each grades: one file each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::code::{self, Checker, CodeProblem, CodeSettings};
use crate::pattern::Pattern;
use crate::{
    ChoiceScore, ChoiceSettings, Completion, CountdownSettings, ExactSettings, Failure, Grade,
    Measure, NumericSettings, RegexSettings, choice, countdown, fields,
};

/// What a suite's `[grader]` says: `kind` and that kind's own keys, each with a default where one
/// makes sense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Settings {
    /// Countdown equations, by exact rules and by TinyZero's.
    Countdown(CountdownSettings),
    /// The same text.
    Exact(ExactSettings),
    /// The same text, where a pattern finds it.
    Regex(RegexSettings),
    /// The same number.
    Numeric(NumericSettings),
    /// The right option.
    Choice(ChoiceSettings),
    /// A Python program that passes tests.
    Code(CodeSettings),
}

/// What graders that run programs need; the others do not look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// How much protection must be active around a graded program.
    pub strictness: sandbox::Strictness,
    /// How graded programs stand against everything else on the machine.
    pub priority: sandbox::Priority,
    /// The Python to run; `None` looks for `python3`.
    pub python: Option<PathBuf>,
}

impl Default for Resources {
    fn default() -> Self {
        let priority = sandbox::Priority::Usual;
        Self { strictness: sandbox::Strictness::Strict, priority, python: None }
    }
}

/// A problem's truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reference {
    /// Numbers to use once each, and what they are to make.
    Countdown {
        /// The numbers, in the order they were shown.
        numbers: Vec<u64>,
        /// What they are to make.
        target: i64,
    },
    /// Texts of which any is right.
    Texts {
        /// The texts.
        answers: Vec<String>,
    },
    /// A number.
    Number {
        /// As a plain decimal.
        answer: String,
    },
    /// Options, of which one is right.
    Choice {
        /// The options' texts, in order.
        options: Vec<String>,
        /// The right one, from 0.
        index: usize,
    },
    /// A programming problem with its tests.
    Code {
        /// The problem.
        problem: Box<CodeProblem>,
    },
}

impl Reference {
    /// What a reader would look at.
    pub fn shown(&self) -> Value {
        match self {
            Self::Code { problem } => problem.shown(),
            other => serde_json::to_value(other).unwrap_or_default(),
        }
    }
}

/// A grader, made once and shared by threads.
#[derive(Debug)]
pub enum Grader {
    /// [`Settings::Countdown`].
    Countdown(CountdownSettings),
    /// [`Settings::Exact`].
    Exact(ExactSettings),
    /// [`Settings::Regex`].
    Regex(Pattern),
    /// [`Settings::Numeric`].
    Numeric(NumericSettings),
    /// [`Settings::Choice`].
    Choice(ChoiceSettings),
    /// [`Settings::Code`].
    Code(Box<Checker>),
}

impl Grader {
    /// The grader that `settings` describe.
    ///
    /// # Errors
    /// [`Failure::Grader`] for a pattern that is none, or when what the grader needs of `resources`
    /// is not to be had.
    pub fn build(settings: &Settings, resources: &Resources) -> Result<Self, Failure> {
        Ok(match settings {
            Settings::Countdown(settings) => Self::Countdown(settings.clone()),
            Settings::Exact(settings) => Self::Exact(settings.clone()),
            Settings::Regex(settings) => Self::Regex(Pattern::build(settings)?),
            Settings::Numeric(settings) => Self::Numeric(settings.clone()),
            Settings::Choice(settings) => Self::Choice(settings.clone()),
            Settings::Code(settings) => Self::Code(Box::new(Checker::build(settings, resources)?)),
        })
    }

    /// The measures that every grade of this grader carries, headline first.
    pub fn measures(&self) -> Vec<Measure> {
        match self {
            Self::Countdown(_) => CountdownSettings::measures(),
            Self::Exact(_) => ExactSettings::measures(),
            Self::Regex(_) => Pattern::measures(),
            Self::Numeric(_) => NumericSettings::measures(),
            Self::Choice(_) => ChoiceSettings::measures(),
            Self::Code(checker) => checker.measures(),
        }
    }

    /// What was active around graded programs, for an evaluation's record; null where none run.
    pub fn protections(&self) -> Value {
        match self {
            Self::Code(checker) => checker.protections(),
            _ => Value::Null,
        }
    }

    /// The truth of the problem in a row of data.
    ///
    /// # Errors
    /// [`Failure::Problem`] naming the field that is missing or holds something else.
    pub fn reference(&self, row: &Value) -> Result<Reference, Failure> {
        Ok(match self {
            Self::Countdown(settings) => {
                let (numbers, target) = settings.truth(row)?;
                Reference::Countdown { numbers, target }
            }
            Self::Exact(settings) => {
                Reference::Texts { answers: fields::texts(row, &settings.reference)? }
            }
            Self::Regex(pattern) => {
                Reference::Texts { answers: fields::texts(row, pattern.reference())? }
            }
            Self::Numeric(settings) => {
                let text = fields::text(row, &settings.reference)?;
                Reference::Number { answer: settings.truth(&text)? }
            }
            Self::Choice(settings) => {
                let (options, index) = settings.truth(row)?;
                Reference::Choice { options, index }
            }
            Self::Code(checker) => Reference::Code { problem: Box::new(checker.problem(row)?) },
        })
    }

    /// What `completion` is worth as an answer to the problem whose truth is `reference`.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be said, which is never the answer's fault.
    pub fn grade(
        &self,
        reference: &Reference,
        completion: &Completion<'_>,
    ) -> Result<Grade, Failure> {
        match (self, reference) {
            (Self::Countdown(_), Reference::Countdown { numbers, target }) => {
                Ok(countdown::grade(numbers, *target, completion))
            }
            (Self::Exact(settings), Reference::Texts { answers }) => {
                Ok(settings.grade(answers, completion))
            }
            (Self::Regex(pattern), Reference::Texts { answers }) => {
                pattern.grade(answers, completion)
            }
            (Self::Numeric(settings), Reference::Number { answer }) => {
                settings.grade(answer, completion)
            }
            (Self::Choice(_), Reference::Choice { options, index }) => {
                Ok(ChoiceSettings::grade(options, *index, completion))
            }
            (Self::Code(checker), Reference::Code { problem }) => {
                code::grade(checker, problem, completion)
            }
            _ => Err(mismatch()),
        }
    }

    /// The grade of a model's choice by the log-probs of each option, in the problem's order.
    ///
    /// # Errors
    /// [`Failure`] for another kind of grader, or scores that are not one number an option.
    pub fn grade_choices(
        &self,
        reference: &Reference,
        scores: &[ChoiceScore],
    ) -> Result<Grade, Failure> {
        match (self, reference) {
            (Self::Choice(_), Reference::Choice { options, index })
                if options.len() == scores.len() =>
            {
                choice::grade_scores(*index, scores)
            }
            (Self::Choice(_), Reference::Choice { options, .. }) => Err(Failure::Grader(format!(
                "{} options were scored of {}",
                scores.len(),
                options.len()
            ))),
            _ => Err(mismatch()),
        }
    }
}

fn mismatch() -> Failure {
    Failure::Problem("the problem's truth was read for another grader".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A grader from the JSON of its settings.
    fn grader(settings: Value) -> Grader {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        Grader::build(&settings, &Resources::default()).unwrap()
    }

    #[test]
    fn every_kind_grades_a_row_of_its_data() {
        let countdown = (json!({"nums": [3, 5, 2], "target": 13}), "<answer>3 + 5 * 2</answer>");
        let numeric = (json!({"answer": "6 * 7 = 42\n#### 42"}), "#### 42");
        let choice = (json!({"choices": ["cat", "dog"], "answer": 1}), "The answer is B.");
        for (settings, (row, text), headline) in [
            (json!({"kind": "countdown"}), countdown, "strict"),
            (json!({"kind": "exact"}), (json!({"answer": 7}), "7"), "exact"),
            (
                json!({"kind": "regex", "pattern": "= (\\d+)"}),
                (json!({"answer": "7"}), "x = 7"),
                "match",
            ),
            (json!({"kind": "numeric"}), numeric, "correct"),
            (json!({"kind": "choice"}), choice, "accuracy"),
        ] {
            let grader = grader(settings);
            let reference = grader.reference(&row).unwrap();
            let grade = grader.grade(&reference, &Completion::of(text)).unwrap();
            let names: Vec<String> = grader.measures().into_iter().map(|m| m.name).collect();
            assert_eq!((grade.verdict.as_str(), names[0].as_str()), ("correct", headline));
            assert_eq!(grade.measures[headline], 1.0);
            let mut sorted = names;
            sorted.sort();
            assert!(grade.measures.keys().eq(&sorted), "{headline}: {:?}", grade.measures);
            let text = serde_json::to_string(&reference).unwrap();
            assert_eq!(serde_json::from_str::<Reference>(&text).unwrap(), reference);
        }
    }

    #[test]
    fn unknown_kinds_and_keys_are_refused() {
        let refused = |settings| serde_json::from_value::<Settings>(settings).is_err();
        assert!(refused(json!({"kind": "vibes"})));
        assert!(refused(json!({"kind": "exact", "normalize": {}})));
        assert!(refused(json!({"kind": "regex"})), "a pattern is needed");
    }

    #[test]
    fn truths_of_another_grader_are_no_verdict() {
        let exact = grader(json!({"kind": "exact"}));
        let reference = Reference::Number { answer: "1".to_owned() };
        let failure = exact.grade(&reference, &Completion::of("1")).unwrap_err();
        assert!(matches!(failure, Failure::Problem(_)));
        let choice = grader(json!({"kind": "choice"}));
        let reference = choice.reference(&json!({"choices": ["x", "y"], "answer": "x"})).unwrap();
        let one = [ChoiceScore { log_prob: -1.0, bytes: 1 }];
        assert!(choice.grade_choices(&reference, &one).is_err());
        let two = [one[0], ChoiceScore { log_prob: -2.0, bytes: 1 }];
        assert_eq!(choice.grade_choices(&reference, &two).unwrap().verdict, "correct");
    }
}
