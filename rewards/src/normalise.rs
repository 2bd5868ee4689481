//! What two texts may differ in and still count as the same answer. Leaves out numbers: 1.0 and 1
//! are different texts (`numeric` compares values).

use serde::{Deserialize, Serialize};

/// What is levelled in answer and reference before they are compared. The order is fixed: case,
/// punctuation, articles, white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a suite's file")]
pub struct Normalise {
    /// Capital letters count as small ones.
    pub lower: bool,
    /// ASCII punctuation is left out (SQuAD's rule).
    pub punctuation: bool,
    /// The words a, an and the are left out (SQuAD's rule).
    pub articles: bool,
    /// Runs of white space count as one space, and none at the ends. On unless a suite says otherwise.
    pub space: bool,
}

impl Default for Normalise {
    fn default() -> Self {
        Self { lower: false, punctuation: false, articles: false, space: true }
    }
}

impl Normalise {
    /// `text` with what may differ taken out.
    pub fn apply(&self, text: &str) -> String {
        let mut text = if self.lower { text.to_lowercase() } else { text.to_owned() };
        if self.punctuation {
            text.retain(|c| !c.is_ascii_punctuation());
        }
        if self.articles {
            text = without_articles(&text);
        }
        if self.space {
            text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        text
    }

    /// Whether the two are the same answer.
    pub fn same(&self, answer: &str, truth: &str) -> bool {
        self.apply(answer) == self.apply(truth)
    }
}

/// The text with each article that stands as a word of its own replaced by a space.
fn without_articles(text: &str) -> String {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let article = ["a", "an", "the"].iter().any(|one| word.eq_ignore_ascii_case(one));
        out.push_str(if article { " " } else { word });
        let gap = after.find(inside).unwrap_or(after.len());
        out.push_str(&after[..gap]);
        rest = &after[gap..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_switch_levels_its_own() {
        let plain = Normalise::default();
        assert!(plain.same("  New\n York ", "New York"));
        assert!(!plain.same("new york", "New York"));
        assert!(Normalise { lower: true, ..plain }.same("NEW YORK", "New York"));
        assert!(Normalise { punctuation: true, ..plain }.same("\"New York.\"", "New York"));
        assert!(Normalise { articles: true, ..plain }.same("the  cat on A mat", "cat on mat"));
        assert!(!Normalise { articles: true, ..plain }.same("theatre", "atre"));
        assert!(!Normalise { space: false, ..plain }.same("a ", "a"));
    }

    #[test]
    fn all_together_is_squads_rule() {
        let squad = Normalise { lower: true, punctuation: true, articles: true, space: true };
        assert_eq!(squad.apply(" The Battle of\tthe Bulge!, an étude "), "battle of bulge étude");
    }
}
