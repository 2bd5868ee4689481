//! Numbers as answers (GSM8K's `#### 42`): the number after a marker, or else the last number of the
//! text; and by each of these alone, as others report them. Thousands separators, currency signs and a closing full stop are passed over. Values are
//! compared as decimals, exactly, unless a tolerance is set. Leaves out arithmetic and units.

mod decimal;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Completion, Failure, Grade, Measure};

pub(crate) use decimal::Decimal;

/// What `kind = "numeric"` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NumericSettings {
    /// The row's field with the truth: a number, or a text whose number after the marker (or else
    /// last number) is meant.
    pub reference: String,
    /// What the answer's number stands behind; GSM8K's `####`.
    pub marker: String,
    /// Largest absolute difference that is still right; 0 compares decimals exactly.
    pub tolerance: f64,
    /// Largest difference relative to the truth that is still right.
    pub relative_tolerance: f64,
}

impl Default for NumericSettings {
    fn default() -> Self {
        Self {
            reference: "answer".to_owned(),
            marker: "####".to_owned(),
            tolerance: 0.0,
            relative_tolerance: 0.0,
        }
    }
}

impl NumericSettings {
    pub(crate) fn measures() -> Vec<Measure> {
        vec![
            Measure::verdict("correct", "Right: the number after the marker, or else the last"),
            Measure::verdict("strict", "Right by the number after the marker alone"),
            Measure::verdict("flexible", "Right by the last number alone"),
        ]
    }

    /// The truth's number out of its text.
    pub(crate) fn truth(&self, text: &str) -> Result<String, Failure> {
        let number = self.marked(text).or_else(|| last_number(text));
        let number = number.ok_or_else(|| {
            let field = &self.reference;
            Failure::Problem(format!("the field `{field}` should hold a number, found {text:?}"))
        })?;
        Ok(number.to_string())
    }

    /// The number right behind the last marker.
    fn marked(&self, text: &str) -> Option<Decimal> {
        if self.marker.is_empty() {
            return None;
        }
        let (_, rest) = text.rsplit_once(&self.marker)?;
        decimal::first(rest.trim_start_matches(|c: char| c.is_whitespace() || "$€£*:".contains(c)))
    }

    pub(crate) fn grade(&self, truth: &str, completion: &Completion<'_>) -> Result<Grade, Failure> {
        let truth = decimal::first(truth)
            .ok_or_else(|| Failure::Problem(format!("the truth {truth:?} is no number")))?;
        let (marked, last) = (self.marked(completion.text), last_number(completion.text));
        let right = |found: &Option<Decimal>| found.as_ref().is_some_and(|n| self.same(n, &truth));
        let value = |right: bool| f64::from(u8::from(right));
        let (strict, flexible) = (right(&marked), right(&last));
        let is_marked = marked.is_some();
        let answer = marked.or(last);
        let correct = right(&answer);
        let verdict = match &answer {
            Some(_) if correct => "correct",
            Some(_) if completion.is_truncated() && !is_marked => "truncated",
            Some(_) => "wrong value",
            None => completion.nothing_found(),
        };
        let measures = [("correct", correct), ("flexible", flexible), ("strict", strict)];
        Ok(Grade {
            measures: measures.map(|(name, is)| (name.to_owned(), value(is))).into(),
            verdict: verdict.to_owned(),
            answer: answer.map(|number| number.to_string()),
            detail: json!({ "marked": is_marked }),
        })
    }

    fn same(&self, found: &Decimal, truth: &Decimal) -> bool {
        if found == truth {
            return true;
        }
        let (found, truth) = (found.value(), truth.value());
        let allowed = self.tolerance.max(self.relative_tolerance * truth.abs());
        allowed > 0.0 && (found - truth).abs() <= allowed
    }
}

/// The last number of a text.
fn last_number(text: &str) -> Option<Decimal> {
    decimal::last(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The headline, `strict`, `flexible` and the verdict.
    fn grade(settings: &NumericSettings, truth: &str, text: &str) -> ([f64; 3], String) {
        let truth = settings.truth(truth).unwrap();
        let grade = settings.grade(&truth, &Completion::of(text)).unwrap();
        let names = ["correct", "strict", "flexible"];
        (names.map(|name| grade.measures[name]), grade.verdict)
    }

    #[test]
    fn gsm8k_answers() {
        let settings = NumericSettings::default();
        let truth = "Natalia sold 48/2 = <<48/2=24>>24 clips.\n#### 1,072";
        for (text, measures, verdict) in [
            ("so 1072.\n#### 1072", [1.0, 1.0, 1.0], "correct"),
            ("#### $1,072.00", [1.0, 1.0, 1.0], "correct"),
            ("####1072 (that is 12 more)", [1.0, 1.0, 0.0], "correct"),
            ("#### 1072 dollars for 3 days", [1.0, 1.0, 0.0], "correct"),
            ("#### 1072\n\nCheck: 1+1=2", [1.0, 1.0, 0.0], "correct"),
            ("The answer is **1,072**.", [1.0, 0.0, 1.0], "correct"),
            ("The answer is 1072", [1.0, 0.0, 1.0], "correct"),
            ("#### 12, no, 1072", [0.0, 0.0, 1.0], "wrong value"),
            ("#### 1073", [0.0, 0.0, 0.0], "wrong value"),
            ("#### -1072", [0.0, 0.0, 0.0], "wrong value"),
            ("1072 #### none", [1.0, 0.0, 1.0], "correct"),
            ("#### none", [0.0, 0.0, 0.0], "no answer"),
            ("", [0.0, 0.0, 0.0], "no answer"),
        ] {
            assert_eq!(grade(&settings, truth, text), (measures, verdict.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_cut_answer_without_its_marker_is_truncated() {
        let settings = NumericSettings::default();
        let cut = |text| Completion { finish: Some("length"), ..Completion::of(text) };
        let verdict = |text| settings.grade("7", &cut(text)).unwrap().verdict;
        assert_eq!(
            [verdict("so 3 and"), verdict("so"), verdict("#### 3")],
            ["truncated", "truncated", "wrong value"]
        );
        assert_eq!(verdict("so 7"), "correct", "the last number is the answer, as it stands");
    }

    #[test]
    fn a_tolerance_is_absolute_or_relative() {
        let settings = NumericSettings { tolerance: 0.01, ..Default::default() };
        assert_eq!(grade(&settings, "3.14159", "about 3.15").0[0], 1.0);
        assert_eq!(grade(&settings, "3.14159", "about 3.16").0[0], 0.0);
        let settings = NumericSettings { relative_tolerance: 0.1, ..Default::default() };
        assert_eq!(grade(&settings, "1e3", "910").0[0], 1.0);
        assert_eq!(grade(&settings, "1e3", "890").0[0], 0.0);
        assert_eq!(grade(&NumericSettings::default(), "0.3", "0.30000000000000004").0[0], 0.0);
    }

    #[test]
    fn a_long_answer_is_read_in_linear_time() {
        let text = "1,".repeat(2_000_000) + &"9".repeat(1_000_000);
        let settings = NumericSettings::default();
        assert_eq!(grade(&settings, "9", &text).0[0], 0.0);
        assert_eq!(grade(&settings, "7", &("#### ".repeat(1_000_000) + "7")).0, [1.0; 3]);
    }

    #[test]
    fn a_truth_without_a_number_is_refused() {
        let error = NumericSettings::default().truth("none").unwrap_err().to_string();
        assert!(error.contains("should hold a number"), "{error}");
    }
}
