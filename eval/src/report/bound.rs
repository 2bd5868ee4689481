//! Holding results to a bound, for CI: `strict>=0.5`, `sft:strict@5>0.3`, `sft-base:strict>=-0.02`,
//! `low(sft:strict)>=0.4`.
//!
//! A bound is `[ARM:]MEASURE[@K] OP NUMBER`: without an arm it holds for every arm; `ARM-REFERENCE` in
//! its place means their difference; `low(...)` and `high(...)` mean the ends of the interval instead of
//! the value. OP is `>=`, `>`, `<=` or `<`. A bare number means the headline measure, `>=`, every arm.
//! Numbers are shares (0.5, not 50).
//!
//! Bounds are for whole evaluations: [`missing`] says what one lacks.

use std::fmt;
use std::str::FromStr;

use super::Error;
use super::numbers::Scale;
use super::rates::shown;
use super::results::{Estimate, Results};
use super::text::name;
use crate::record::{Measure, MeasureKind, Run};

/// A bound that results are held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    text: String,
    end: End,
    arm: Option<String>,
    measure: Option<String>,
    k: Option<usize>,
    operator: Operator,
    number: f64,
}

/// Which number of an estimate is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Value,
    Low,
    High,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    AtLeast,
    Above,
    AtMost,
    Below,
}

/// Whether results keep a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether they do.
    pub passed: bool,
    /// Why, in a sentence for each arm.
    pub sentence: String,
}

const OPERATORS: [(&str, Operator); 4] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    (">", Operator::Above),
    ("<", Operator::Below),
];

impl Operator {
    fn holds(self, value: f64, number: f64) -> bool {
        match self {
            Self::AtLeast => value >= number,
            Self::Above => value > number,
            Self::AtMost => value <= number,
            Self::Below => value < number,
        }
    }
}

impl FromStr for Bound {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = OPERATORS.iter().find_map(|&(sign, operator)| {
            text.split_once(sign).map(|(left, right)| (left, operator, right))
        });
        let (left, operator, right) = found.unwrap_or(("", Operator::AtLeast, text));
        let number = right.trim().parse().ok().filter(|number: &f64| number.is_finite());
        let number = number.ok_or_else(|| {
            wrong(text, "expected [ARM:]MEASURE[@K]>=NUMBER, such as sft:strict>=0.5, or a number")
        })?;
        let (end, left) = end(left.trim());
        let (arm, left) = match left.rsplit_once(':') {
            Some((arm, measure)) => (Some(arm.trim().to_owned()), measure.trim()),
            None => (None, left.trim()),
        };
        let (measure, k) = match left.rsplit_once('@') {
            Some((measure, k)) => (measure, Some(parse_k(text, k)?)),
            None => (left, None),
        };
        let measure = (!measure.is_empty()).then(|| measure.to_owned());
        Ok(Self { text: text.to_owned(), end, arm, measure, k, operator, number })
    }
}

/// `low(x)`, `high(x)` or `x`.
fn end(left: &str) -> (End, &str) {
    let inside = |prefix| left.strip_prefix(prefix).and_then(|rest: &str| rest.strip_suffix(')'));
    match (inside("low("), inside("high(")) {
        (Some(rest), _) => (End::Low, rest),
        (_, Some(rest)) => (End::High, rest),
        (None, None) => (End::Value, left),
    }
}

fn parse_k(text: &str, k: &str) -> Result<usize, Error> {
    let k = k.trim().parse().ok().filter(|&k: &usize| k > 0);
    k.ok_or_else(|| wrong(text, "expected a whole number after `@`, such as strict@5"))
}

fn wrong(bound: &str, reason: impl Into<String>) -> Error {
    Error::Bound { bound: bound.to_owned(), reason: reason.into() }
}

impl Bound {
    /// Refuses a bound that results of `run` cannot be held to.
    ///
    /// # Errors
    /// [`Error::Bound`] if there is no such arm, measure or k, or if its number is no share where shares
    /// are measured.
    pub fn check(&self, run: &Run) -> Result<(), Error> {
        let measure = self.measure(run)?;
        let is_difference = self.checked_arm(run)?;
        if measure.kind == MeasureKind::Verdict {
            self.checked_k(run)?;
        } else if self.k.is_some() {
            return Err(self.wrong(format!("{} is a mean, leave out the `@`", measure.name)));
        }
        // A score may be any number, every other measure is a share.
        let least = if is_difference { -1.0 } else { 0.0 };
        if measure.kind == MeasureKind::Score || (least..=1.0).contains(&self.number) {
            return Ok(());
        }
        Err(self.wrong(format!(
            "{} is a share, expected a number from {least} to 1 (0.5, not 50)",
            measure.name
        )))
    }

    /// Judges results over all problems.
    ///
    /// # Errors
    /// [`Error::Bound`] as [`Bound::check`].
    pub fn judge(&self, results: &Results) -> Result<Judgement, Error> {
        let found = self.found(results)?;
        let mut sentences = Vec::new();
        let mut passed = !found.is_empty();
        for (who, estimate, scale) in found {
            let value = match self.end {
                End::Value => estimate.value,
                End::Low => estimate.interval.map(|interval| interval.low),
                End::High => estimate.interval.map(|interval| interval.high),
            };
            let holds = value.is_some_and(|value| self.operator.holds(value, self.number));
            passed &= holds;
            let shown = value.map_or("not known".to_owned(), |value| match scale {
                Scale::Rate => format!("{value:.4}"),
                Scale::Score => scale.number(value),
            });
            let keeps = if holds { "keeps" } else { "breaks" };
            sentences.push(format!("{} {keeps} {}: it is {shown}", name(&who), name(&self.text)));
        }
        Ok(Judgement { passed, sentence: format!("{}.", sentences.join("; ")) })
    }

    /// The estimates that are meant, each with whose it is.
    fn found(&self, results: &Results) -> Result<Vec<(String, Estimate, Scale)>, Error> {
        self.check(&results.run)?;
        let measure = &self.measure(&results.run)?.name;
        let meant = |cut: &super::Cut| {
            let k = cut.k.map(|_| self.k.unwrap_or(1));
            cut.measure == *measure && cut.group.is_none() && cut.k == k
        };
        let rates = results.rates.iter().filter(|rate| meant(&rate.cut));
        let rates = rates.filter(|rate| match &self.arm {
            Some(arm) => *arm == rate.arm,
            None => !is_only_compared_with(results, rate),
        });
        let found: Vec<(String, Estimate, Scale)> =
            rates.map(|r| (r.arm.clone(), r.estimate, Scale::of(r.cut.kind))).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let differences = results.differences.iter().filter(|d| meant(&d.cut));
        let named = differences.map(|d| (difference(&d.arm, &d.reference), d));
        Ok(named
            .filter(|(name, _)| self.arm.as_ref() == Some(name))
            .map(|(name, d)| (name, d.estimate, Scale::of(d.cut.kind)))
            .collect())
    }

    fn measure<'r>(&self, run: &'r Run) -> Result<&'r Measure, Error> {
        let Some(wanted) = &self.measure else { return Ok(&run.measures[0]) };
        run.measures.iter().find(|known| known.name == *wanted).ok_or_else(|| {
            let names: Vec<&str> = run.measures.iter().map(|m| m.name.as_str()).collect();
            self.wrong(format!("the measures are {}", names.join(", ")))
        })
    }

    fn checked_k(&self, run: &Run) -> Result<(), Error> {
        let known = shown(run);
        if known.contains(&self.k.unwrap_or(1)) {
            return Ok(());
        }
        let known = known.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        Err(self.wrong(format!("pass@k is there for k = {known}")))
    }

    /// Whether the bound is on the difference of two arms.
    fn checked_arm(&self, run: &Run) -> Result<bool, Error> {
        let Some(wanted) = &self.arm else { return Ok(false) };
        if run.arms.iter().any(|arm| arm.label == *wanted) {
            return Ok(false);
        }
        let mut others = run.arms.iter().filter(|arm| arm.label != run.reference);
        if others.any(|arm| difference(&arm.label, &run.reference) == *wanted) {
            return Ok(true);
        }
        let arms: Vec<&str> = run.arms.iter().map(|arm| arm.label.as_str()).collect();
        let (arms, reference) = (arms.join(", "), &run.reference);
        Err(self.wrong(format!("the arms are {arms}, and a difference is ARM-{reference}")))
    }

    fn wrong(&self, reason: impl Into<String>) -> Error {
        wrong(&self.text, reason)
    }
}

/// What the difference of an arm and the reference is called.
fn difference(arm: &str, reference: &str) -> String {
    format!("{arm}-{reference}")
}

/// What keeps results from being those of a whole evaluation, in a sentence; `None` where every sample of
/// every arm is graded.
pub fn missing(results: &Results) -> Option<String> {
    let expected: usize = results.arms.iter().map(|arm| arm.expected).sum();
    let graded: usize = results.arms.iter().map(|arm| arm.graded).sum();
    if graded < expected {
        let lacking = expected - graded;
        return Some(format!("{lacking} of {expected} samples have no grade"));
    }
    let share = results.run.shard.as_ref();
    share.map(|share| format!("this is share {} of an evaluation", name(share)))
}

/// Whether the rate is the reference arm's, of a measure that compares others with it.
fn is_only_compared_with(results: &Results, rate: &super::Rate) -> bool {
    let answered = results.arms.iter().any(|arm| arm.label == rate.arm && arm.graded > 0);
    let others = results.run.arms.len() > 1;
    rate.arm == results.run.reference && rate.estimate.value.is_none() && answered && others
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
