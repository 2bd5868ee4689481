//! From samples to `results.json`: each cut of the problems, for each arm, with its difference from the
//! reference.

use super::evidence::{Evidence, Problem};
use super::results::{
    AgainstHalf, Agreement, ArmLengthControlled, Cut, Difference, Estimate, Group, Rate, Results,
    Test, TestName,
};
use super::tally::{Cell, Tally};
use super::{arms, notes};
use crate::record::{MeasureKind, Run};
use crate::statistics::{self, Comparison, Draws, LEVEL, holm, mcnemar, paired};

/// Everything there is to say in numbers.
pub(crate) fn results(evidence: &Evidence, draws: Draws) -> Results {
    let tally = Tally::new(evidence);
    let run = &evidence.run;
    let maker = Maker { evidence, tally: &tally, draws };
    let mut results = Results {
        version: 1,
        run: run.clone(),
        problems: evidence.problems.len(),
        level: LEVEL,
        seed: draws.seed,
        replicates: draws.replicates,
        notes: Vec::new(),
        arms: arms::summaries(evidence),
        rates: Vec::new(),
        differences: Vec::new(),
        agreements: agreements(evidence),
        length_controlled: length_controlled(run, &tally),
    };
    for measure in 0..run.measures.len() {
        maker.measure(measure, &mut results);
    }
    correct_all(&mut results);
    results.notes = notes::notes(evidence, &tally, &results);
    results
}

/// The k that tables show: 1 and those the run names.
pub(crate) fn shown(run: &Run) -> Vec<usize> {
    let mut all = vec![1];
    all.extend(run.k.iter().copied().filter(|&k| k > 0));
    all.sort_unstable();
    all.dedup();
    all
}

/// The k of the curve: those shown, and the powers of two up to the samples there are.
fn curve(run: &Run) -> Vec<usize> {
    let powers = (0..).map(|power| 1usize << power).take_while(|&k| k < run.sampling.samples);
    let mut all: Vec<usize> = shown(run).into_iter().chain(powers).collect();
    all.push(run.sampling.samples.max(1));
    all.sort_unstable();
    all.dedup();
    all
}

/// Makes the rows of one measure.
struct Maker<'a> {
    evidence: &'a Evidence,
    tally: &'a Tally,
    draws: Draws,
}

impl Maker<'_> {
    fn measure(&self, measure: usize, results: &mut Results) {
        let run = &self.evidence.run;
        let kind = run.measures[measure].kind;
        let verdict = kind == MeasureKind::Verdict;
        let (all, shown) = match verdict {
            true => (curve(run), shown(run)),
            false => (vec![0], vec![0]),
        };
        for k in all {
            let compared = shown.contains(&k);
            let name = run.measures[measure].name.clone();
            let cut = Cut { measure: name, kind, k: verdict.then_some(k), group: None };
            let everything: Vec<usize> = (0..self.evidence.problems.len()).collect();
            self.cut(measure, &cut, &everything, compared, results);
            if compared {
                self.groups(measure, &cut, results);
            }
        }
    }

    fn groups(&self, measure: usize, cut: &Cut, results: &mut Results) {
        for (group, values) in self.evidence.groups.iter().enumerate() {
            for (number, value) in (0u16..).zip(values) {
                let of = |problem: &Problem| problem.groups[group] == Some(number);
                let numbered = self.evidence.problems.iter().enumerate();
                let members: Vec<usize> =
                    numbered.filter(|(_, problem)| of(problem)).map(|(at, _)| at).collect();
                let name = self.evidence.run.groups[group].clone();
                let cut = Cut { group: Some(Group { name, value: value.clone() }), ..cut.clone() };
                self.cut(measure, &cut, &members, true, results);
            }
        }
    }

    fn cut(
        &self,
        measure: usize,
        cut: &Cut,
        members: &[usize],
        compared: bool,
        results: &mut Results,
    ) {
        let run = &self.evidence.run;
        let cells = |arm| self.tally.cells(arm, measure);
        for (arm, said) in run.arms.iter().enumerate() {
            results.rates.push(rate(cut, &said.label, cells(arm), members, self.draws));
        }
        let reference = run.arms.iter().position(|arm| arm.label == run.reference).unwrap_or(0);
        let others = (0..run.arms.len()).filter(|&arm| arm != reference && compared);
        for arm in others {
            let pairs = pairs(cut.k, cells(arm), cells(reference), members);
            let labels = [run.arms[arm].label.as_str(), run.reference.as_str()];
            results.differences.push(difference(cut, labels, &pairs, self.draws));
        }
    }
}

/// A row of rates, over the `members` that have a value.
pub(crate) fn rate(cut: &Cut, arm: &str, cells: &[Cell], members: &[usize], draws: Draws) -> Rate {
    let told = members.iter().map(|&at| cells[at]).filter(|cell| cell.value(cut.k).is_some());
    let told: Vec<Cell> = told.collect();
    let values: Vec<f64> = told.iter().filter_map(|cell| cell.value(cut.k)).collect();
    let preference = cut.kind == MeasureKind::Preference;
    let single = told.iter().all(|cell| cell.samples == 1);
    let (value, interval) = match preference {
        true => statistics::preference_rate(&values, single, draws),
        false => statistics::mean(&values, cut.k.is_some(), draws),
    };
    let half = if preference { statistics::against_half(&values, single, draws) } else { None };
    Rate {
        cut: cut.clone(),
        arm: arm.to_owned(),
        estimate: Estimate { value, interval },
        problems: told.len(),
        short: members.len() - told.len(),
        samples: told.iter().map(|cell| cell.samples).sum(),
        passed: cut.k.map(|_| told.iter().map(|cell| cell.sum as usize).sum()),
        against_half: half.map(|half| of_half(&half, single)),
    }
}

fn of_half(half: &statistics::AgainstHalf, single: bool) -> AgainstHalf {
    let name = if single { TestName::Sign } else { TestName::SignFlip };
    AgainstHalf {
        above: half.above,
        below: half.below,
        ties: half.ties,
        test: Test { name, p: half.p, p_holm: None },
        minimum_detectable: half.minimum_detectable,
    }
}

/// The problems that have a value of both arms.
pub(crate) fn pairs(
    k: Option<usize>,
    arm: &[Cell],
    reference: &[Cell],
    members: &[usize],
) -> Vec<(Cell, Cell)> {
    let cells = members.iter().map(|&at| (arm[at], reference[at]));
    cells.filter(|(arm, other)| arm.value(k).is_some() && other.value(k).is_some()).collect()
}

/// Compares an arm with the reference over pairs of cells.
pub(crate) fn difference(
    cut: &Cut,
    [arm, reference]: [&str; 2],
    pairs: &[(Cell, Cell)],
    draws: Draws,
) -> Difference {
    let value = |cell: &Cell| cell.value(cut.k).unwrap_or(f64::NAN);
    let values: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (value(a), value(b))).collect();
    let found = paired(&values, cut.kind != MeasureKind::Score, draws);
    let plain = is_plain(cut, &values);
    let mcnemar = if plain {
        Some(mcnemar(values.iter().map(|&(a, b)| (a == 1.0, b == 1.0))))
    } else {
        let majority = cut.k == Some(1) && !pairs.is_empty();
        majority.then(|| mcnemar(pairs.iter().map(|(a, b)| (a.majority(), b.majority()))))
    };
    let test = found.map(|found| match mcnemar.filter(|_| plain) {
        Some(mcnemar) => Test { name: TestName::Mcnemar, p: mcnemar.p, p_holm: None },
        None => Test { name: TestName::SignFlip, p: found.p, p_holm: None },
    });
    Difference {
        cut: cut.clone(),
        arm: arm.to_owned(),
        reference: reference.to_owned(),
        estimate: Estimate {
            value: found.map(|found| found.value),
            interval: found.and_then(|found| found.interval),
        },
        problems: pairs.len(),
        differing: found.map_or(0, |found| found.differing),
        better: values.iter().filter(|(arm, reference)| arm > reference).count(),
        worse: values.iter().filter(|(arm, reference)| arm < reference).count(),
        test,
        mcnemar,
        minimum_detectable: found.and_then(|found| found.minimum_detectable),
    }
}

/// Whether every problem is a plain success or failure of both: any verdict of one sample, pass@k of k
/// samples, preferences without ties.
fn is_plain(cut: &Cut, values: &[(f64, f64)]) -> bool {
    let plain = |value: f64| value == 0.0 || value == 1.0;
    let all = values.iter().all(|&(arm, reference)| plain(arm) && plain(reference));
    cut.kind != MeasureKind::Score && !values.is_empty() && all
}

/// Corrects the tests of differences, and those against one half.
fn correct_all(results: &mut Results) {
    correct(&mut results.differences);
    let tests = results.rates.iter_mut().filter_map(|rate| {
        let family = family(&rate.arm, &rate.cut)?;
        Some((family, &mut rate.against_half.as_mut()?.test))
    });
    correct_each(tests.collect());
}

/// Corrects the tests of one arm, measure, k and group for being several.
pub(crate) fn correct(differences: &mut [Difference]) {
    let tests = differences.iter_mut().filter_map(|d| {
        let family = family(&d.arm, &d.cut)?;
        Some((family, d.test.as_mut()?))
    });
    correct_each(tests.collect());
}

/// What tests are corrected together: those of the values of one group.
type Family = (String, String, Option<usize>, String);

fn family(arm: &str, cut: &Cut) -> Option<Family> {
    let group = cut.group.as_ref()?.name.clone();
    Some((arm.to_owned(), cut.measure.clone(), cut.k, group))
}

fn correct_each(mut tests: Vec<(Family, &mut Test)>) {
    tests.sort_by(|one, other| one.0.cmp(&other.0));
    for family in tests.chunk_by_mut(|one, other| one.0 == other.0) {
        let p_values: Vec<f64> = family.iter().map(|(_, test)| test.p).collect();
        for ((_, test), p) in family.iter_mut().zip(holm(&p_values)) {
            test.p_holm = Some(p);
        }
    }
}

/// The win rates at equal lengths of arms that were judged: those with `score` and `longer_by`.
fn length_controlled(run: &Run, tally: &Tally) -> Vec<ArmLengthControlled> {
    let place = |name: &str| run.measures.iter().position(|measure| measure.name == name);
    let (true, Some(score), Some(longer_by)) =
        (run.judge.is_some(), place("score"), place("longer_by"))
    else {
        return Vec::new();
    };
    let of_arm = |(arm, said): (usize, &crate::Arm)| {
        let cells = tally.cells(arm, score).iter().zip(tally.cells(arm, longer_by));
        let pairs: Vec<Comparison> = cells
            .filter_map(|(score, longer_by)| {
                Some(Comparison { score: score.value(None)?, longer_by: longer_by.value(None)? })
            })
            .collect();
        let found = statistics::length_controlled(&pairs)?;
        Some(ArmLengthControlled { arm: said.label.clone(), found })
    };
    run.arms.iter().enumerate().filter_map(of_arm).collect()
}

/// Each arm's verdicts that are set beside another one.
fn agreements(evidence: &Evidence) -> Vec<Agreement> {
    let measures = &evidence.run.measures;
    let place = |name: &str| {
        let is_it = |m: &crate::Measure| m.name == name && m.kind == MeasureKind::Verdict;
        measures.iter().position(is_it)
    };
    let pair = |measure: &crate::Measure| {
        Some((place(measure.beside.as_deref()?)?, place(&measure.name)?))
    };
    let pairs: Vec<(usize, usize)> = measures.iter().filter_map(pair).collect();
    let of_arm = |arm| pairs.iter().map(move |&(one, other)| agreement(evidence, arm, one, other));
    (0..evidence.run.arms.len()).flat_map(of_arm).collect()
}

fn agreement(evidence: &Evidence, arm: usize, first: usize, second: usize) -> Agreement {
    let name = |measure: usize| evidence.run.measures[measure].name.clone();
    let mut found = Agreement {
        arm: evidence.run.arms[arm].label.clone(),
        first: name(first),
        second: name(second),
        both: 0,
        first_only: 0,
        second_only: 0,
        neither: 0,
    };
    for row in evidence.rows.iter().filter(|row| row.graded && usize::from(row.arm) == arm) {
        let values = [evidence.value(row, first), evidence.value(row, second)];
        if values.iter().any(|value| value.is_nan()) {
            continue;
        }
        match values.map(|value| value == 1.0) {
            [true, true] => found.both += 1,
            [true, false] => found.first_only += 1,
            [false, true] => found.second_only += 1,
            [false, false] => found.neither += 1,
        }
    }
    found
}
