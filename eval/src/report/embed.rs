//! Which samples a page carries, and their texts, cut to what a reader would look at: spread evenly over
//! groups and outcomes, every arm's answer to the same problem together, up to a number of bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use serde_json::Value;

use super::Error;
use super::clip::{Clipped, clip, prompt};
use super::evidence::{Evidence, Row};
use super::sample_text::read_text;
use crate::lines::Places;
use crate::record::{MeasureKind, ProblemLine};

/// Problems whose every sample is carried before others get a first one.
const DEEP: usize = 300;

/// Most bytes read to make a page: lines may be far longer than what is kept of them.
const READ: u64 = 1 << 29;

/// What a page's script reads.
#[derive(Serialize)]
pub(crate) struct Embedded {
    arms: Vec<String>,
    measures: Vec<MeasureHead>,
    groups: Vec<String>,
    problems: Vec<ProblemText>,
    samples: Vec<SampleText>,
    /// Samples of the run with an answer or a failure.
    total: usize,
}

#[derive(Serialize)]
struct MeasureHead {
    name: String,
    title: String,
    kind: MeasureKind,
}

#[derive(Serialize)]
struct ProblemText {
    id: String,
    groups: Vec<Option<String>>,
    prompt: Vec<(String, Clipped)>,
    reference: Value,
}

#[derive(Serialize)]
struct SampleText {
    problem: usize,
    arm: u16,
    index: u32,
    graded: bool,
    /// The verdict, or why it failed.
    verdict: String,
    values: Vec<Option<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Clipped>,
    completion: Clipped,
    finish: String,
    tokens: Option<u32>,
    seconds: Option<f32>,
    #[serde(skip_serializing_if = "Value::is_null")]
    detail: Value,
}

impl Embedded {
    /// How many samples are carried.
    pub(crate) fn carried(&self) -> usize {
        self.samples.len()
    }

    /// How many samples the run has.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// How many problems are carried.
    pub(crate) fn problems(&self) -> usize {
        self.problems.len()
    }
}

/// Takes samples until `bytes` of JSON are full.
pub(crate) fn embed(evidence: &Evidence, bytes: usize) -> Result<Embedded, Error> {
    let run = &evidence.run;
    let heads = run.measures.iter().map(|measure| MeasureHead {
        name: measure.name.clone(),
        title: measure.title.clone(),
        kind: measure.kind,
    });
    let mut taker = Taker {
        evidence,
        problems: Places::open(&evidence.problems_path())?,
        samples: Places::open(&evidence.samples_path())?,
        left: bytes,
        read: 0,
        taken: BTreeMap::new(),
    };
    taker.take_all()?;
    let mut embedded = Embedded {
        arms: run.arms.iter().map(|arm| arm.label.clone()).collect(),
        measures: heads.collect(),
        groups: run.groups.clone(),
        problems: Vec::new(),
        samples: Vec::new(),
        total: evidence.rows.len(),
    };
    for (problem, mut samples) in taker.taken.into_values() {
        let number = embedded.problems.len();
        samples.iter_mut().for_each(|sample| sample.problem = number);
        samples.sort_by_key(|sample| (sample.arm, sample.index));
        embedded.problems.push(problem);
        embedded.samples.append(&mut samples);
    }
    Ok(embedded)
}

/// Takes samples within its means.
struct Taker<'a> {
    evidence: &'a Evidence,
    problems: Places,
    samples: Places,
    left: usize,
    read: u64,
    taken: BTreeMap<usize, (ProblemText, Vec<SampleText>)>,
}

impl Taker<'_> {
    /// First the leading problems with all their samples, one index after the other; then the others.
    fn take_all(&mut self) -> Result<(), Error> {
        let order = spread(self.evidence);
        let (deep, rest) = order.split_at(order.len().min(DEEP));
        let _full = self.take_part(deep)? && self.take_part(rest)?;
        Ok(())
    }

    /// Takes all samples of some problems; false when the means are used up.
    fn take_part(&mut self, part: &[usize]) -> Result<bool, Error> {
        let most = part.iter().map(|&problem| self.depth(problem)).max().unwrap_or(0);
        for (nth, &problem) in (0..most).flat_map(|nth| part.iter().map(move |at| (nth, at))) {
            if !self.take(problem, nth)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The most samples that an arm has of a problem.
    fn depth(&self, problem: usize) -> usize {
        let arms = 0..self.evidence.run.arms.len();
        arms.map(|arm| rows_of(self.evidence, arm, problem).len()).max().unwrap_or(0)
    }

    /// Takes every arm's `nth` sample of a problem; false when the means are used up.
    fn take(&mut self, problem: usize, nth: usize) -> Result<bool, Error> {
        let mut size = 0;
        let mut texts = Vec::new();
        for arm in 0..self.evidence.run.arms.len() {
            let Some(at) = rows_of(self.evidence, arm, problem).nth(nth) else { continue };
            let text = self.sample(&self.evidence.rows[at])?;
            size += json_size(&text);
            texts.push(text);
        }
        let fresh = !self.taken.contains_key(&problem) && !texts.is_empty();
        let text = if fresh { Some(self.problem(problem)?) } else { None };
        size += text.as_ref().map_or(0, json_size);
        if size > self.left || self.read > READ {
            return Ok(false);
        }
        self.left -= size;
        if let Some(text) = text {
            self.taken.insert(problem, (text, Vec::new()));
        }
        if let Some((_, samples)) = self.taken.get_mut(&problem) {
            samples.append(&mut texts);
        }
        Ok(true)
    }

    fn problem(&mut self, number: usize) -> Result<ProblemText, Error> {
        let problem = &self.evidence.problems[number];
        let line = self.problems.read(problem.offset, problem.length)?;
        let line: ProblemLine = serde_json::from_slice(&line).map_err(std::io::Error::from)?;
        let values = problem.groups.iter().zip(&self.evidence.groups);
        Ok(ProblemText {
            id: line.id,
            groups: values.map(|(at, all)| at.map(|at| all[usize::from(at)].clone())).collect(),
            prompt: prompt(&line.prompt),
            reference: clip(line.reference),
        })
    }

    fn sample(&mut self, row: &Row) -> Result<SampleText, Error> {
        self.read += u64::from(row.length);
        let line = self.samples.read(row.offset, row.length as usize)?;
        let text = read_text(&line).map_err(std::io::Error::from)?;
        let values = (0..self.evidence.run.measures.len()).map(|m| self.evidence.value(row, m));
        Ok(SampleText {
            problem: 0,
            arm: row.arm,
            index: row.index,
            graded: row.graded,
            verdict: self.evidence.words.word(row.word).to_owned(),
            values: values.map(|value| value.is_finite().then_some(value)).collect(),
            answer: text.answer.map(|answer| Clipped::new(&answer)),
            completion: Clipped::new(&text.completion),
            finish: text.finish,
            tokens: row.completion_tokens,
            seconds: row.seconds,
            detail: clip(text.detail),
        })
    }
}

/// Which rows are an arm's samples of a problem.
fn rows_of(evidence: &Evidence, arm: usize, problem: usize) -> Range<usize> {
    let place = |row: &Row| (usize::from(row.arm), row.problem as usize);
    let start = evidence.rows.partition_point(|row| place(row) < (arm, problem));
    let length = evidence.rows[start..].partition_point(|row| place(row) == (arm, problem));
    start..start + length
}

/// Every problem, so that any first part of the list holds each combination of groups and outcomes as
/// evenly as it can.
fn spread(evidence: &Evidence) -> Vec<usize> {
    let mut kinds: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
    for (number, problem) in evidence.problems.iter().enumerate() {
        let arms = 0..evidence.run.arms.len();
        let outcomes = arms.map(|arm| outcome(evidence, arm, number)).collect();
        kinds.entry((problem.groups.clone(), outcomes)).or_default().push(number);
    }
    let longest = kinds.values().map(Vec::len).max().unwrap_or(0);
    let rounds = (0..longest).flat_map(|nth| kinds.values().filter_map(move |kind| kind.get(nth)));
    rounds.copied().collect()
}

/// What problems of a kind have in common: their groups, and how each arm fared.
type Kind = (Vec<Option<u16>>, Vec<Outcome>);

/// How an arm fared on a problem, by the headline measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Absent,
    Failed,
    Wrong,
    Mixed,
    Right,
}

fn outcome(evidence: &Evidence, arm: usize, problem: usize) -> Outcome {
    let rows = &evidence.rows[rows_of(evidence, arm, problem)];
    let right = |row: &&Row| row.graded && evidence.value(row, 0) >= 1.0;
    match (rows.len(), rows.iter().filter(right).count()) {
        (0, _) => Outcome::Absent,
        (_, _) if rows.iter().any(|row| !row.graded) => Outcome::Failed,
        (_, 0) => Outcome::Wrong,
        (all, right) if all == right => Outcome::Right,
        (_, _) => Outcome::Mixed,
    }
}

/// How many bytes something is as JSON in the page.
fn json_size<T: Serialize>(value: &T) -> usize {
    super::html::script_json(value).len() + 1
}
