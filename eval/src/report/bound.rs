//! Holding results to a bound, for CI: `strict>=0.5`, `sft:strict@5>0.3`, `sft-base:strict>=-0.02`,
//! `low(sft:strict)>=0.4`.
//!
//! A bound is `[ARM:]MEASURE[@K] OP NUMBER`: without an arm it holds for every arm; `ARM-REFERENCE` in
//! its place means their difference; `low(...)` and `high(...)` mean the ends of the interval instead of
//! the value. OP is `>=`, `>`, `<=` or `<`. A bare number means the headline measure, `>=`, every arm.
//! Numbers are shares (0.5, not 50).

use std::fmt;
use std::str::FromStr;

use super::Error;
use super::numbers::Scale;
use super::results::{Estimate, Results};
use super::text::name;

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
    /// Judges results over all problems.
    ///
    /// # Errors
    /// [`Error::Bound`] if they have no such arm, measure or k.
    pub fn judge(&self, results: &Results) -> Result<Judgement, Error> {
        let mut sentences = Vec::new();
        let mut passed = true;
        for (who, estimate, scale) in self.found(results)? {
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
        let run = &results.run;
        let measure = self.measure.as_ref().unwrap_or(&run.measures[0].name);
        let known = run.measures.iter().any(|known| known.name == *measure);
        if !known {
            let names: Vec<&str> = run.measures.iter().map(|m| m.name.as_str()).collect();
            let reason = format!("the measures are {}", names.join(", "));
            return Err(wrong(&self.text, reason));
        }
        let meant = |cut: &super::Cut| {
            let k = cut.k.map(|_| self.k.unwrap_or(1));
            cut.measure == *measure
                && cut.group.is_none()
                && cut.k == k
                && !(cut.k.is_none() && self.k.is_some())
        };
        let rates = results.rates.iter().filter(|rate| meant(&rate.cut));
        let rates = rates.filter(|rate| match &self.arm {
            Some(arm) => *arm == rate.arm,
            None => !is_only_compared_with(results, rate),
        });
        let mut found: Vec<(String, Estimate, Scale)> =
            rates.map(|r| (r.arm.clone(), r.estimate, Scale::of(r.cut.kind))).collect();
        if found.is_empty() {
            let pair = |d: &&super::Difference| {
                self.arm.as_deref() == Some(&format!("{}-{}", d.arm, d.reference))
            };
            let differences = results.differences.iter().filter(|d| meant(&d.cut)).filter(pair);
            found = differences
                .map(|d| (format!("{}-{}", d.arm, d.reference), d.estimate, Scale::of(d.cut.kind)))
                .collect();
        }
        if found.is_empty() {
            let arms: Vec<&str> = run.arms.iter().map(|arm| arm.label.as_str()).collect();
            let reason = format!(
                "the arms are {}, a difference is ARM-{}, and pass@k is there for k = {}",
                arms.join(", "),
                run.reference,
                super::rates::shown(run)
                    .iter()
                    .map(usize::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            return Err(wrong(&self.text, reason));
        }
        Ok(found)
    }
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
