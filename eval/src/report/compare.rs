//! Two evaluations side by side, paired by problem: did the same arm get better from one run to the
//! next? Only over problems that both asked in the same words.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::evidence::Evidence;
use super::numbers::{self, several};
use super::rates::{correct, difference, rate, shown};
use super::results::{Cut, Difference, Group, Rate};
use super::table::Table;
use super::tables::differences_table;
use super::tally::{Cell, Tally};
use super::text::{SENTENCE, line, markdown_line, name};
use super::{Error, Options};
use crate::lines::Places;
use crate::record::{MeasureKind, ProblemLine};
use crate::statistics::Draws;

/// The second evaluation less the first, by arm and measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The first folder: what is compared with.
    pub first: String,
    /// The second folder.
    pub second: String,
    /// Problems that both asked.
    pub problems: usize,
    /// How the runs differ, and what a reader must know.
    pub notes: Vec<String>,
    /// What the first run had, row by row of the differences, over the same problems.
    pub first_rates: Vec<Rate>,
    /// What the second had.
    pub second_rates: Vec<Rate>,
    /// The differences, as in `results.json`: `arm` is the arm's label in the second run, `reference`
    /// that in the first.
    pub differences: Vec<Difference>,
}

/// Compares the evaluation in `second` with that in `first`: the arms that `pairs` sets beside each
/// other, by their labels in the first and in the second run; without any, arms of the same label, or
/// the only arm of each. Measures that both have.
///
/// # Errors
/// [`Error::Incomparable`] if they share no problem, arm or measure, ask one problem in two ways, or lack
/// an arm that is named; other [`Error`]s where a folder cannot be read.
pub fn compare(
    first: &Path,
    second: &Path,
    pairs: &[(String, String)],
    options: Options,
) -> Result<Comparison, Error> {
    let sides = [Side::read(first)?, Side::read(second)?];
    let names = [first, second].map(|dir| dir.display().to_string());
    let refuse = |reason: String| Error::Incomparable {
        one: names[0].clone(),
        other: names[1].clone(),
        reason,
    };
    let shared = shared_problems(&sides).map_err(&refuse)?;
    let arms = match pairs {
        [] => shared_arms(&sides),
        pairs => named_arms(&sides, pairs),
    };
    let arms = arms.map_err(&refuse)?;
    let measures = shared_measures(&sides).map_err(&refuse)?;
    let mut rows = Vec::new();
    for &measure in &measures {
        for &arm in &arms {
            rows.extend(rows_of(&sides, &shared, arm, measure, options.draws));
        }
    }
    let (rates, mut differences): (Vec<[Rate; 2]>, Vec<Difference>) = rows.into_iter().unzip();
    let (first_rates, second_rates) = rates.into_iter().map(|[one, other]| (one, other)).unzip();
    correct(&mut differences);
    let notes = notes(&sides, shared.len());
    let [first, second] = names;
    let problems = shared.len();
    Ok(Comparison { first, second, problems, notes, first_rates, second_rates, differences })
}

/// One evaluation, with a digest of each problem.
struct Side {
    evidence: Evidence,
    tally: Tally,
    digests: Vec<[u8; 32]>,
}

impl Side {
    fn read(dir: &Path) -> Result<Self, Error> {
        let evidence = Evidence::read(dir)?;
        let mut file = Places::open(&evidence.problems_path())?;
        let mut digests = Vec::with_capacity(evidence.problems.len());
        for problem in &evidence.problems {
            digests.push(digest(&file.read(problem.offset, problem.length)?)?);
        }
        Ok(Self { tally: Tally::new(&evidence), evidence, digests })
    }
}

/// Of what a problem asks and what answers it; not of its groups.
fn digest(line: &[u8]) -> Result<[u8; 32], Error> {
    let problem: ProblemLine = serde_json::from_slice(line).map_err(std::io::Error::from)?;
    let mut hash = Sha256::new();
    hash.update(problem.prompt.to_string());
    hash.update([0]);
    hash.update(problem.reference.to_string());
    Ok(hash.finalize().into())
}

/// Numbers of the same problem in both.
fn shared_problems([one, other]: &[Side; 2]) -> Result<Vec<[usize; 2]>, String> {
    let numbers = other.evidence.problems.iter().zip(0..);
    let numbers: HashMap<&str, usize> = numbers.map(|(p, at)| (p.id.as_str(), at)).collect();
    let mut shared = Vec::new();
    for (at, problem) in one.evidence.problems.iter().enumerate() {
        let Some(&there) = numbers.get(problem.id.as_str()) else { continue };
        if one.digests[at] != other.digests[there] {
            return Err(format!(
                "they ask problem `{}` in different words or hold different answers to it",
                name(&problem.id)
            ));
        }
        shared.push([at, there]);
    }
    if shared.is_empty() {
        return Err("they have no problem in common".to_owned());
    }
    Ok(shared)
}

/// Numbers of the arms that are compared.
fn shared_arms([one, other]: &[Side; 2]) -> Result<Vec<[usize; 2]>, String> {
    let (first, second) = (&one.evidence.run.arms, &other.evidence.run.arms);
    let mut shared = Vec::new();
    for (at, arm) in first.iter().enumerate() {
        let there = second.iter().position(|known| known.label == arm.label);
        shared.extend(there.map(|there| [at, there]));
    }
    if shared.is_empty() && first.len() == 1 && second.len() == 1 {
        shared.push([0, 0]);
    }
    if shared.is_empty() {
        return Err("they have no arm in common".to_owned());
    }
    Ok(shared)
}

/// Numbers of the arms that are named.
fn named_arms(sides: &[Side; 2], pairs: &[(String, String)]) -> Result<Vec<[usize; 2]>, String> {
    let number = |side: &Side, which: &str, label: &str| {
        let arms = &side.evidence.run.arms;
        arms.iter().position(|arm| arm.label == label).ok_or_else(|| {
            let known: Vec<_> = arms.iter().map(|arm| name(&arm.label)).collect();
            let known = known.join(", ");
            format!("the {which} has no arm `{}`; it has {known}", name(label))
        })
    };
    let pair = |(one, other): &(String, String)| {
        Ok([number(&sides[0], "first", one)?, number(&sides[1], "second", other)?])
    };
    pairs.iter().map(pair).collect()
}

/// Numbers of the measures that both have, of one kind.
fn shared_measures([one, other]: &[Side; 2]) -> Result<Vec<[usize; 2]>, String> {
    let second = &other.evidence.run.measures;
    let mut shared = Vec::new();
    for (at, measure) in one.evidence.run.measures.iter().enumerate() {
        let same =
            |known: &crate::Measure| known.name == measure.name && known.kind == measure.kind;
        shared.extend(second.iter().position(same).map(|there| [at, there]));
    }
    if shared.is_empty() {
        return Err("they have no measure in common".to_owned());
    }
    Ok(shared)
}

/// What each run had and the difference, of one arm and one measure: overall for each k, then by the
/// first run's groups.
fn rows_of(
    [one, other]: &[Side; 2],
    shared: &[[usize; 2]],
    arm: [usize; 2],
    measure: [usize; 2],
    draws: Draws,
) -> Vec<([Rate; 2], Difference)> {
    let run = &one.evidence.run;
    let labels = [&other.evidence.run.arms[arm[1]].label, &run.arms[arm[0]].label];
    let labels = labels.map(String::as_str);
    let cells = [other.tally.cells(arm[1], measure[1]), one.tally.cells(arm[0], measure[0])];
    let kind = run.measures[measure[0]].kind;
    let verdict = kind == MeasureKind::Verdict;
    let ks = if verdict { shown(run).into_iter().map(Some).collect() } else { vec![None] };
    let name = &run.measures[measure[0]].name;
    let mut rows = Vec::new();
    for k in ks {
        let row = |group: Option<Group>, members: &[[usize; 2]]| {
            let cut = Cut { measure: name.clone(), kind, k, group };
            let pairs = pairs(k, cells, members);
            let side = |label, cells: Vec<Cell>| {
                let all: Vec<usize> = (0..cells.len()).collect();
                rate(&cut, label, &cells, &all, draws)
            };
            let (second, first): (Vec<Cell>, Vec<Cell>) = pairs.iter().copied().unzip();
            let rates = [side(labels[1], first), side(labels[0], second)];
            (rates, difference(&cut, labels, &pairs, draws))
        };
        rows.push(row(None, shared));
        for (group, members) in grouped(&one.evidence, shared) {
            rows.push(row(Some(group), &members));
        }
    }
    rows
}

/// The problems that have a value on both sides, the second run first.
fn pairs(k: Option<usize>, cells: [&[Cell]; 2], members: &[[usize; 2]]) -> Vec<(Cell, Cell)> {
    let both = members.iter().map(|&[at, there]| (cells[0][there], cells[1][at]));
    both.filter(|(arm, other)| arm.value(k).is_some() && other.value(k).is_some()).collect()
}

/// The shared problems by group and value.
fn grouped(evidence: &Evidence, shared: &[[usize; 2]]) -> Vec<(Group, Vec<[usize; 2]>)> {
    let mut all = Vec::new();
    for (group, values) in evidence.groups.iter().enumerate() {
        for (number, value) in (0u16..).zip(values) {
            let of = |pair: &&[usize; 2]| evidence.problems[pair[0]].groups[group] == Some(number);
            let members: Vec<[usize; 2]> = shared.iter().filter(of).copied().collect();
            let name = evidence.run.groups[group].clone();
            if !members.is_empty() {
                all.push((Group { name, value: value.clone() }, members));
            }
        }
    }
    all
}

fn notes([one, other]: &[Side; 2], shared: usize) -> Vec<String> {
    let mut notes = Vec::new();
    let counts = [one.evidence.problems.len(), other.evidence.problems.len()];
    if counts != [shared, shared] {
        notes.push(format!(
            "Only what both asked is compared: {} of {} and {}.",
            several(shared, "problem"),
            counts[0],
            counts[1]
        ));
    }
    let (a, b) = (&one.evidence.run, &other.evidence.run);
    if a.suite_digest != b.suite_digest {
        notes.push("The suites differ: prompt, grader or sampling may have changed.".to_owned());
    }
    if a.sampling != b.sampling {
        notes.push(
            "The sampling differs (temperature, samples, tokens or seed): part of a difference may be \
             that."
                .to_owned(),
        );
    }
    if a.version != b.version {
        let [a, b] = [&a.version, &b.version].map(|version| name(version));
        notes.push(format!("The runs were made by versions {a} and {b}."));
    }
    notes
}

impl Comparison {
    fn table(&self) -> Table {
        let all: Vec<&Difference> = self.differences.iter().collect();
        let mut table = differences_table("Second less first, paired by problem", &all, true);
        table.heads.splice(2..2, ["first".to_owned(), "second".to_owned()]);
        let rates = self.first_rates.iter().zip(&self.second_rates);
        for ((row, difference), (first, second)) in
            table.rows.iter_mut().zip(&self.differences).zip(rates)
        {
            row[0].text = format!("{}: {}", difference.cut.measure, row[0].text);
            if difference.arm != difference.reference {
                row[1].text = format!("{} less {}", difference.arm, difference.reference);
            }
            row.splice(2..2, [first, second].map(numbers::rate));
        }
        table
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "# Comparison\n\nFirst: {}\n\nSecond: {}\n\n{} in both.\n\n",
            markdown_line(&self.first, SENTENCE),
            markdown_line(&self.second, SENTENCE),
            several(self.problems, "problem")
        );
        for note in &self.notes {
            out.push_str(&format!("> **Note.** {}\n\n", markdown_line(note, SENTENCE)));
        }
        out + &self.table().markdown()
    }

    /// For a terminal.
    pub fn terminal(&self) -> String {
        let mut out = format!(
            "first   {}\nsecond  {}\n\n",
            line(&self.first, SENTENCE),
            line(&self.second, SENTENCE)
        );
        out += &self.table().terminal();
        for note in &self.notes {
            out.push_str(&format!("\nnote: {note}\n"));
        }
        out
    }
}
