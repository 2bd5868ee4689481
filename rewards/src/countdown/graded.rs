//! A Countdown answer's grade: which rules it satisfies, and what went wrong.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tinyzero::{self, Score};
use super::{Verdict, extract_answer, verify};
use crate::fields::{self, field, refuse};
use crate::{Completion, Failure, Grade, Measure};

/// What `kind = "countdown"` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountdownSettings {
    /// The row's field with the numbers.
    pub numbers: String,
    /// The row's field with the target.
    pub target: String,
}

impl Default for CountdownSettings {
    fn default() -> Self {
        Self { numbers: "nums".to_owned(), target: "target".to_owned() }
    }
}

impl CountdownSettings {
    pub(crate) fn measures() -> Vec<Measure> {
        vec![
            Measure::verdict("strict", "Solved (exact rules)"),
            Measure::verdict("tinyzero", "Solved (TinyZero's rules)").beside("strict"),
            Measure::score("tinyzero_score", "TinyZero's score"),
            Measure::verdict("format", "Has a readable answer"),
        ]
    }

    /// The numbers and the target in a row.
    pub(crate) fn truth(&self, row: &Value) -> Result<(Vec<u64>, i64), Failure> {
        let list = field(row, &self.numbers)?;
        let numbers: Option<Vec<u64>> =
            fields::list(list).and_then(|list| list.iter().map(Value::as_u64).collect());
        let numbers = numbers
            .filter(|numbers| !numbers.is_empty())
            .ok_or_else(|| refuse(&self.numbers, "a list of whole numbers from 0 on", list))?;
        let target = field(row, &self.target)?;
        let value =
            fields::whole(target).ok_or_else(|| refuse(&self.target, "a whole number", target))?;
        Ok((numbers, value))
    }
}

/// The grade of `completion` as an answer to the problem of `numbers` and `target`. Verdicts are
/// `correct`, `wrong value`, `wrong numbers`, `malformed`, `no answer` and `truncated` (no answer,
/// because the text was cut).
pub fn grade(numbers: &[u64], target: i64, completion: &Completion<'_>) -> Grade {
    let answer = extract_answer(completion.text);
    let verdict = answer.map(|answer| verify(answer, numbers, target));
    let correct = verdict == Some(Verdict::Correct);
    let readable = !matches!(verdict, None | Some(Verdict::Malformed(_)));
    let (word, detail) = match verdict {
        Some(Verdict::Correct) => ("correct", Value::Null),
        Some(Verdict::WrongValue(value)) => ("wrong value", json!({"value": value.to_string()})),
        Some(Verdict::WrongNumbers) => ("wrong numbers", Value::Null),
        Some(Verdict::Malformed(reason)) => ("malformed", json!({ "reason": reason })),
        None => (completion.nothing_found(), Value::Null),
    };
    let tinyzero = tinyzero::score(&whole(completion), numbers, target);
    let value = |yes: bool| f64::from(u8::from(yes));
    Grade {
        measures: [
            ("format".to_owned(), value(readable)),
            ("strict".to_owned(), value(correct)),
            ("tinyzero".to_owned(), value(tinyzero == Score::Correct)),
            ("tinyzero_score".to_owned(), tinyzero.value()),
        ]
        .into(),
        verdict: word.to_owned(),
        answer: answer.map(str::to_owned),
        detail,
    }
}

/// Prompt and completion as TinyZero's scorer wants them; messages end where the assistant begins.
fn whole(completion: &Completion<'_>) -> String {
    [completion.prompt.unwrap_or("Assistant:"), completion.text].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade_of(text: &str, finish: Option<&str>) -> (String, [f64; 4]) {
        let completion = Completion { prompt: None, text, finish };
        let Grade { verdict, measures, .. } = grade(&[3, 5, 2], 13, &completion);
        let names = ["strict", "tinyzero", "tinyzero_score", "format"];
        (verdict, names.map(|name| measures[name]))
    }

    #[test]
    fn what_went_wrong_has_a_word() {
        for (text, verdict, measures) in [
            ("<answer>3 + 5 * 2</answer>", "correct", [1.0, 1.0, 1.0, 1.0]),
            ("<answer>3 + 5 * 2 = 13</answer>", "correct", [1.0, 0.0, 0.1, 1.0]),
            ("<answer>3 + 5 * 2</answer>\n", "correct", [1.0, 0.0, 0.0, 1.0]),
            ("<answer>3 * 5 - 2 ** 1</answer>", "malformed", [0.0, 0.0, 0.1, 0.0]),
            ("<answer>3 * 5 * 2</answer>", "wrong value", [0.0, 0.0, 0.1, 1.0]),
            ("<answer>3 + 5 + 5</answer>", "wrong numbers", [0.0, 0.0, 0.1, 1.0]),
            ("<answer>six</answer>", "malformed", [0.0, 0.0, 0.1, 0.0]),
            ("thirteen", "no answer", [0.0, 0.0, 0.0, 0.0]),
        ] {
            assert_eq!(grade_of(text, Some("stop")), (verdict.to_owned(), measures), "{text}");
        }
        assert_eq!(grade_of("well, 3 times", Some("length")).0, "truncated");
    }

    #[test]
    fn the_two_rules_disagree_on_powers_and_decimal_points() {
        let completion = Completion::of("<answer>3.5*2</answer>");
        let seven = grade(&[3, 5, 2], 7, &completion);
        assert_eq!((seven.measures["strict"], seven.measures["tinyzero"]), (0.0, 1.0));
    }

    #[test]
    fn the_prompt_is_part_of_what_tinyzero_sees() {
        let answer = Completion::of("<answer>3 + 5 * 2</answer>");
        let tinyzero = |prompt: &str| {
            let completion = Completion { prompt: Some(prompt), ..answer };
            grade(&[3, 5, 2], 13, &completion).measures["tinyzero"]
        };
        assert_eq!(tinyzero("User: ...\nAssistant: Let me solve this step by step.\n<think>"), 1.0);
        assert_eq!(tinyzero("User: ...\nModel:"), 0.0, "no marker");
    }
}
