//! A Countdown answer's grade: which rules it satisfies, and what went wrong.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Verdict, extract_answer, verify};
use crate::fields::{field, refuse};
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
            Measure::verdict("format", "Has a readable answer"),
        ]
    }

    /// The numbers and the target in a row.
    pub(crate) fn truth(&self, row: &Value) -> Result<(Vec<u64>, i64), Failure> {
        let list = field(row, &self.numbers)?;
        let numbers: Option<Vec<u64>> =
            list.as_array().and_then(|list| list.iter().map(Value::as_u64).collect());
        let numbers = numbers
            .filter(|numbers| !numbers.is_empty())
            .ok_or_else(|| refuse(&self.numbers, "a list of whole numbers from 0 on", list))?;
        let target = field(row, &self.target)?;
        let value =
            target.as_i64().ok_or_else(|| refuse(&self.target, "a whole number", target))?;
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
    let value = |yes: bool| f64::from(u8::from(yes));
    Grade {
        measures: [("format".to_owned(), value(readable)), ("strict".to_owned(), value(correct))]
            .into(),
        verdict: word.to_owned(),
        answer: answer.map(str::to_owned),
        detail,
    }
}
