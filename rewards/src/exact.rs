//! Exact match: the answer, or what stands after a marker in it, is one of the reference's texts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Completion, Grade, Measure, Normalise};

/// What `kind = "exact"` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExactSettings {
    /// The row's field with the truth: a text, a number, or a list of which any will do.
    pub reference: String,
    /// The answer is what stands after the last occurrence of this text; without it the whole text
    /// is the answer.
    pub after: Option<String>,
    /// The answer ends with its first line.
    pub first_line: bool,
    /// What may differ.
    pub normalise: Normalise,
}

impl Default for ExactSettings {
    fn default() -> Self {
        Self {
            reference: "answer".to_owned(),
            after: None,
            first_line: false,
            normalise: Normalise::default(),
        }
    }
}

impl ExactSettings {
    pub(crate) fn measures() -> Vec<Measure> {
        vec![Measure::verdict("exact", "Exact match")]
    }

    pub(crate) fn grade(&self, truths: &[String], completion: &Completion<'_>) -> Grade {
        let found = find(completion.text, self.after.as_deref(), self.first_line);
        judge("exact", found, truths, &self.normalise, completion)
    }
}

/// The part of `text` after the last `marker`, trimmed; `None` when it is empty or there is no marker.
fn find<'t>(text: &'t str, marker: Option<&str>, first_line: bool) -> Option<&'t str> {
    let after = match marker {
        Some(marker) => text.rsplit_once(marker)?.1,
        None => text,
    };
    let after = after.trim();
    let answer = if first_line { after.lines().next().unwrap_or("").trim() } else { after };
    (!answer.is_empty()).then_some(answer)
}

/// The grade of a found answer among truths, under the measure `name`.
pub(crate) fn judge(
    name: &str,
    found: Option<&str>,
    truths: &[String],
    normalise: &Normalise,
    completion: &Completion<'_>,
) -> Grade {
    let correct = found.is_some_and(|found| truths.iter().any(|t| normalise.same(found, t)));
    let verdict = match found {
        Some(_) if correct => "correct",
        Some(_) => "wrong answer",
        None => completion.nothing_found(),
    };
    Grade {
        measures: [(name.to_owned(), f64::from(u8::from(correct)))].into(),
        verdict: verdict.to_owned(),
        answer: found.map(str::to_owned),
        detail: Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade(settings: &ExactSettings, text: &str) -> Grade {
        settings.grade(&["Paris".to_owned(), "Ville-Lumière".to_owned()], &Completion::of(text))
    }

    #[test]
    fn any_of_the_truths_will_do() {
        let settings = ExactSettings::default();
        for (text, verdict) in [
            ("Paris", "correct"),
            (" Ville-Lumière\n", "correct"),
            ("paris", "wrong answer"),
            ("Paris, France", "wrong answer"),
            (" \n", "no answer"),
        ] {
            let grade = grade(&settings, text);
            assert_eq!(grade.verdict, verdict, "{text:?}");
            assert_eq!(grade.measures["exact"], f64::from(u8::from(verdict == "correct")));
        }
    }

    #[test]
    fn the_answer_is_after_the_last_marker_and_may_end_with_its_line() {
        let after = Some("Answer:".to_owned());
        let settings = ExactSettings { after, first_line: true, ..Default::default() };
        assert_eq!(grade(&settings, "Answer: Rome? No. Answer: Paris\nBye").verdict, "correct");
        assert_eq!(grade(&settings, "Paris").verdict, "no answer");
        let cut = Completion { finish: Some("length"), ..Completion::of("I think that") };
        assert_eq!(settings.grade(&["x".to_owned()], &cut).verdict, "truncated");
    }
}
