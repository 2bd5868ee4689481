//! Multiple choice: the option that the model finds likeliest, by the log-probs of its texts, or the
//! letter that an answer names.

mod letter;
mod likeliest;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::{self, field, refuse};
use crate::{Completion, Failure, Grade, Measure};

pub use likeliest::ChoiceScore;

/// Most options of a problem: one letter each.
const MAX_OPTIONS: usize = 26;

/// What `kind = "choice"` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChoiceSettings {
    /// The row's field with the options: a list of texts.
    pub options: String,
    /// The row's field with the truth: an index from 0, a letter, or an option's very text.
    pub reference: String,
}

impl Default for ChoiceSettings {
    fn default() -> Self {
        Self { options: "choices".to_owned(), reference: "answer".to_owned() }
    }
}

impl ChoiceSettings {
    pub(crate) fn measures() -> Vec<Measure> {
        vec![
            Measure::verdict("accuracy", "The chosen option is right"),
            Measure::verdict("accuracy_norm", "The likeliest option per byte is right"),
        ]
    }

    /// The options and the index of the right one.
    pub(crate) fn truth(&self, row: &Value) -> Result<(Vec<String>, usize), Failure> {
        let list = field(row, &self.options)?;
        let texts = fields::list(list).and_then(|list| {
            list.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        let options = texts
            .filter(|texts| (2..=MAX_OPTIONS).contains(&texts.len()))
            .ok_or_else(|| refuse(&self.options, "a list of 2 to 26 texts", list))?;
        let right = field(row, &self.reference)?;
        let index = index_of(right, &options).ok_or_else(|| {
            let expected = format!("an index below {}, a letter or an option", options.len());
            refuse(&self.reference, &expected, right)
        })?;
        Ok((options, index))
    }

    pub(crate) fn grade(options: &[String], index: usize, completion: &Completion<'_>) -> Grade {
        let chosen = letter::named(completion.text, options);
        likeliest::judged([chosen, chosen], index, completion.nothing_found())
    }
}

/// The option meant by an index from 0, a letter, or the option's text.
fn index_of(right: &Value, options: &[String]) -> Option<usize> {
    let index = match right {
        Value::Number(number) => usize::try_from(number.as_u64()?).ok(),
        Value::String(text) => options.iter().position(|option| option == text).or_else(|| {
            let letter = letter::index(text.trim());
            letter.or_else(|| text.trim().parse().ok())
        }),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    index.filter(|index| *index < options.len())
}

/// Grades options by their log-probs: see [`crate::Grader::grade_choices`].
pub(crate) fn grade_scores(index: usize, scores: &[ChoiceScore]) -> Result<Grade, Failure> {
    likeliest::grade(index, scores)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn truths_are_an_index_a_letter_or_a_text() {
        let settings = ChoiceSettings::default();
        let truth = |answer: Value| {
            settings.truth(&json!({"choices": ["cat", "dog", "B"], "answer": answer})).map(|t| t.1)
        };
        assert_eq!(truth(json!(1)).unwrap(), 1);
        assert_eq!(truth(json!("C")).unwrap(), 2);
        assert_eq!(truth(json!("dog")).unwrap(), 1);
        assert_eq!(truth(json!("B")).unwrap(), 2, "a text comes before a letter");
        assert_eq!(truth(json!("0")).unwrap(), 0);
        for wrong in [json!(3), json!(-1), json!("D"), json!("bird"), json!(null), json!(true)] {
            let error = truth(wrong.clone()).unwrap_err().to_string();
            assert!(error.contains("an index below 3, a letter or an option"), "{wrong}: {error}");
        }
    }

    #[test]
    fn options_are_a_list_of_texts() {
        let settings = ChoiceSettings::default();
        for options in [json!("cat"), json!(["cat"]), json!([1, 2]), json!(vec!["x"; 27])] {
            let error = settings.truth(&json!({"choices": options, "answer": 0})).unwrap_err();
            assert!(error.to_string().contains("a list of 2 to 26 texts"), "{error}");
        }
    }
}
