//! A regular expression finds the answer, which is then compared with the reference's texts. A search
//! that would go on for ever (a pattern with look-around can) is stopped: that is the pattern's
//! fault, not the answer's.

use fancy_regex::{Captures, Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::{Completion, Failure, Grade, Measure, Normalise, exact};

/// Steps back that one search may take.
const BACKTRACK_LIMIT: usize = 1_000_000;
/// Longest compiled pattern, in bytes.
const SIZE_LIMIT: usize = 10 << 20;

/// What `kind = "regex"` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegexSettings {
    /// The pattern. The answer is its first group, or the whole match where it has none.
    pub pattern: String,
    /// Which match counts.
    #[serde(default)]
    pub pick: Pick,
    /// The row's field with the truth: a text, a number, or a list of which any will do.
    #[serde(default = "answer")]
    pub reference: String,
    /// What may differ.
    #[serde(default)]
    pub normalise: Normalise,
}

/// Which of several matches is the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The first.
    First,
    /// The last.
    #[default]
    Last,
}

fn answer() -> String {
    "answer".to_owned()
}

/// The settings with their pattern compiled.
#[derive(Clone, Debug)]
pub struct Pattern {
    settings: RegexSettings,
    regex: Regex,
}

impl Pattern {
    pub(crate) fn build(settings: &RegexSettings) -> Result<Self, Failure> {
        let regex = RegexBuilder::new(&settings.pattern)
            .backtrack_limit(BACKTRACK_LIMIT)
            .delegate_size_limit(SIZE_LIMIT)
            .build()
            .map_err(|reason| {
                let pattern = &settings.pattern;
                Failure::Grader(format!("`{pattern}` is no regular expression: {reason}"))
            })?;
        Ok(Self { settings: settings.clone(), regex })
    }

    pub(crate) fn reference(&self) -> &str {
        &self.settings.reference
    }

    pub(crate) fn measures() -> Vec<Measure> {
        vec![Measure::verdict("match", "Match")]
    }

    pub(crate) fn grade(
        &self,
        truths: &[String],
        completion: &Completion<'_>,
    ) -> Result<Grade, Failure> {
        let found = self.find(completion.text)?.map(str::trim).filter(|text| !text.is_empty());
        Ok(exact::judge("match", found, truths, &self.settings.normalise, completion))
    }

    /// The text that the pattern takes as the answer.
    fn find<'t>(&self, text: &'t str) -> Result<Option<&'t str>, Failure> {
        let mut matches = self.regex.captures_iter(text);
        let picked = match self.settings.pick {
            Pick::First => matches.next().transpose(),
            Pick::Last => matches.try_fold(None, |_, captures| captures.map(Some)),
        };
        let picked = picked.map_err(|reason| {
            let pattern = &self.settings.pattern;
            Failure::Grader(format!("the pattern `{pattern}` gave up on an answer: {reason}"))
        })?;
        Ok(picked.and_then(|captures| text_of(&captures)))
    }
}

/// The first group that took part, or the whole match of a pattern without groups.
fn text_of<'t>(captures: &Captures<'t, str>) -> Option<&'t str> {
    let group = match captures.len() {
        1 => captures.get(0),
        more => (1..more).find_map(|index| captures.get(index)),
    };
    Some(group?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(pattern: &str, pick: Pick) -> Pattern {
        let settings = RegexSettings {
            pattern: pattern.to_owned(),
            pick,
            reference: answer(),
            normalise: Normalise::default(),
        };
        Pattern::build(&settings).unwrap()
    }

    fn verdict(pattern: &Pattern, text: &str) -> String {
        pattern.grade(&["B".to_owned()], &Completion::of(text)).unwrap().verdict
    }

    #[test]
    fn the_first_group_of_the_picked_match_is_the_answer() {
        let last = pattern(r"answer is \(?([A-D])\)?", Pick::Last);
        assert_eq!(verdict(&last, "The answer is A. No, the answer is (B)."), "correct");
        assert_eq!(verdict(&last, "The answer is B. No, the answer is A"), "wrong answer");
        assert_eq!(verdict(&last, "B"), "no answer");
        let first = pattern(r"answer is ([A-D])", Pick::First);
        assert_eq!(verdict(&first, "the answer is B, the answer is A"), "correct");
        assert_eq!(verdict(&pattern("[A-D]", Pick::Last), "A or B"), "correct", "no group");
        assert_eq!(verdict(&pattern("x(a)|y(B)", Pick::Last), "yB"), "correct", "either group");
    }

    #[test]
    fn a_search_is_bounded() {
        let backtracks = pattern(r"(a|aa)+(?=b)\1c", Pick::Last);
        let failed = backtracks.grade(&["B".to_owned()], &Completion::of(&"a".repeat(5000)));
        let Err(Failure::Grader(reason)) = failed else { panic!("{failed:?}") };
        assert!(reason.contains("gave up on an answer"), "{reason}");
        let linear = pattern(r"(a+)+b", Pick::Last);
        assert_eq!(verdict(&linear, &"a".repeat(5000)), "no answer");
    }

    #[test]
    fn a_bad_pattern_is_refused() {
        let settings = RegexSettings {
            pattern: "(".to_owned(),
            pick: Pick::Last,
            reference: answer(),
            normalise: Normalise::default(),
        };
        let error = Pattern::build(&settings).unwrap_err().to_string();
        assert!(error.starts_with("`(` is no regular expression: "), "{error}");
    }
}
