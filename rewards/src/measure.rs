//! What a number in a grade is, for those who add many of them up. Leaves out the adding.

use serde::{Deserialize, Serialize};

/// A number that every grade carries under this name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// The key in [`Grade::measures`](crate::Grade::measures).
    pub name: String,
    /// What it is, for a reader who did not write the suite.
    pub title: String,
    /// How its values add up.
    pub kind: MeasureKind,
    /// The verdict that this one is set beside, sample by sample: another rule for the same question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
}

/// How the values of a measure add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureKind {
    /// A verdict, 0 or 1: a rate, with pass@k where there are several samples.
    Verdict,
    /// Which of two is preferred: 1, 0, or 1/2 for a tie. A rate, held against the one half that a coin
    /// would reach.
    Preference,
    /// Any finite number: a mean.
    Score,
}

impl Measure {
    /// A [`MeasureKind::Verdict`].
    pub fn verdict(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            kind: MeasureKind::Verdict,
            beside: None,
        }
    }

    /// A [`MeasureKind::Preference`].
    pub fn preference(name: &str, title: &str) -> Self {
        Self { kind: MeasureKind::Preference, ..Self::verdict(name, title) }
    }

    /// A [`MeasureKind::Score`].
    pub fn score(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            kind: MeasureKind::Score,
            beside: None,
        }
    }

    /// The same, set beside the verdict `other`.
    #[must_use]
    pub fn beside(self, other: &str) -> Self {
        Self { beside: Some(other.to_owned()), ..self }
    }
}
