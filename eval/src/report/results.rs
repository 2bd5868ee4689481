//! `results.json`: every number of a report, with its counts. The names are stable: fields are added,
//! never renamed, and [`Results::version`] changes where a meaning does.
//!
//! `rates` and `differences` are flat lists, one row for each [`Cut`] and arm, so that they load into
//! a data frame as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{MeasureKind, Run};
use crate::statistics::{Interval, LengthControlled, McNemar};

/// Everything a report says in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// 1.
    pub version: u32,
    /// `run.json` as it was.
    pub run: Run,
    /// Problems of the run.
    pub problems: usize,
    /// The confidence of every interval.
    pub level: f64,
    /// The seed of every draw.
    pub seed: u64,
    /// Most samples of problems drawn for one interval (fewer for very many problems).
    pub replicates: usize,
    /// What a reader must know before trusting the numbers, loudest first.
    pub notes: Vec<String>,
    /// Each arm's answers, in the run's order.
    pub arms: Vec<ArmSummary>,
    /// Rates and means: for each measure overall and in each group, for each arm.
    pub rates: Vec<Rate>,
    /// The same rows, each arm against the reference, over the problems that both answered.
    pub differences: Vec<Difference>,
    /// For each arm and each verdict that is set beside another: on how many samples they agree.
    pub agreements: Vec<Agreement>,
    /// For each arm that was judged against another: its win rate with the length of answers taken out.
    #[serde(default)]
    pub length_controlled: Vec<ArmLengthControlled>,
}

/// An arm's win rate at equal lengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmLengthControlled {
    /// The arm's label.
    pub arm: String,
    /// The rates; a comparison is a problem, with the means of its samples.
    #[serde(flatten)]
    pub found: LengthControlled,
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cut {
    /// The measure's name.
    pub measure: String,
    /// What the measure's numbers are: with `verdict` and `preference` a rate, from 0 to 1.
    pub kind: MeasureKind,
    /// The k of pass@k for a verdict; null for anything else.
    pub k: Option<usize>,
    /// The group, or null for all problems.
    pub group: Option<Group>,
}

/// Problems that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// What they are grouped by: `difficulty`.
    pub name: String,
    /// What these have: `easy`.
    pub value: String,
}

/// A number with its interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number; null where there is nothing to tell it from.
    pub value: Option<f64>,
    /// Where the truth lies; null where that cannot be told.
    pub interval: Option<Interval>,
}

/// A rate or mean of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// What it is about.
    #[serde(flatten)]
    pub cut: Cut,
    /// The arm's label.
    pub arm: String,
    /// The mean over problems, with its interval.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Problems that it is the mean of.
    pub problems: usize,
    /// Problems left out: they have no graded sample, or fewer than k.
    pub short: usize,
    /// Graded samples of those problems.
    pub samples: usize,
    /// How many of these passed; null for what is no verdict.
    pub passed: Option<usize>,
    /// A rate of preferences against a coin's; null for anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against_half: Option<AgainstHalf>,
}

/// A rate of preferences held against one half.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgainstHalf {
    /// Problems above one half: with one sample each, preferences.
    pub above: usize,
    /// Problems below it.
    pub below: usize,
    /// Problems at it: with one sample each, ties.
    pub ties: usize,
    /// Whether it could be a coin.
    pub test: Test,
    /// The smallest distance from one half found with 80 % power, for the ties seen.
    pub minimum_detectable: Option<f64>,
}

/// An arm against the reference, paired by problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is about.
    #[serde(flatten)]
    pub cut: Cut,
    /// The arm's label.
    pub arm: String,
    /// The reference's label.
    pub reference: String,
    /// The arm less the reference.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Problems that both answered.
    pub problems: usize,
    /// Problems on which they differ.
    pub differing: usize,
    /// Problems on which the arm's number is above the reference's.
    #[serde(default)]
    pub better: usize,
    /// Problems on which it is below.
    #[serde(default)]
    pub worse: usize,
    /// Whether it could be chance; null without a problem in common.
    pub test: Option<Test>,
    /// McNemar's exact test of one verdict a problem: given where every problem is a plain success or
    /// failure of both, and for k = 1 of a verdict, where it may be that of more than half of its samples.
    pub mcnemar: Option<McNemar>,
    /// The smallest difference found with 80 % power, for the discordance seen.
    pub minimum_detectable: Option<f64>,
}

/// The test of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// `mcnemar` (exact) where every problem is a plain success or failure, `sign` (exact) for preferences
    /// of one sample each against one half, `sign_flip` (permutation) otherwise.
    pub name: TestName,
    /// Its p-value, both tails.
    pub p: f64,
    /// The p-value corrected by Holm over the values of one group; null for all problems.
    pub p_holm: Option<f64>,
}

/// Which test a p-value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestName {
    /// McNemar's exact test.
    Mcnemar,
    /// The sign test.
    Sign,
    /// The permutation of signs over problems.
    SignFlip,
}

/// How two verdicts on the same samples go together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// The arm's label.
    pub arm: String,
    /// One measure.
    pub first: String,
    /// The other.
    pub second: String,
    /// Samples that pass both.
    pub both: usize,
    /// Samples that pass the first alone.
    pub first_only: usize,
    /// Samples that pass the second alone.
    pub second_only: usize,
    /// Samples that pass neither.
    pub neither: usize,
}

/// An arm's answers as such.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmSummary {
    /// The arm's label.
    pub label: String,
    /// Samples the run asks for.
    pub expected: usize,
    /// Samples answered and graded.
    pub graded: usize,
    /// Samples that the server or the grader failed on: in no rate.
    pub failed: usize,
    /// Samples not asked for yet.
    pub absent: usize,
    /// Problems without a graded sample.
    pub unanswered: usize,
    /// Why samples failed, with counts, most frequent first; at most 8 reasons.
    pub failures: Vec<(String, usize)>,
    /// How often answers ended for which reason: `stop`, `length`, `content_filter` ...
    #[serde(default)]
    pub finishes: BTreeMap<String, usize>,
    /// Answers of which it is known why they ended.
    #[serde(default)]
    pub ended: usize,
    /// Answers that ended at the limit of tokens.
    pub truncated: usize,
    /// Their share of those that ended for a known reason: the mean over problems, with Wilson's interval
    /// over as many.
    pub truncated_share: Estimate,
    /// Tokens of the prompts, in all; null where no sample says.
    pub prompt_tokens: Option<u64>,
    /// Tokens of an answer; null where no sample says.
    pub completion_tokens: Option<Spread>,
    /// Characters of an answer; null where nothing was written.
    pub characters: Option<Spread>,
    /// Seconds from a request to its whole answer; null where no sample says.
    pub seconds: Option<Spread>,
    /// How often each verdict was given.
    pub verdicts: BTreeMap<String, usize>,
}

/// The size of an answer, over all graded samples that tell it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The sum.
    pub total: f64,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    pub largest: f64,
}
