//! One number a problem: what every rate and mean is made from.

use super::evidence::{Evidence, Row};
use crate::record::MeasureKind;
use crate::statistics::pass_at_k;

/// The graded samples of one problem, arm and measure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    /// How many have the measure.
    pub samples: usize,
    /// How many passed, for a verdict; the sum of the values, for a score.
    pub sum: f64,
}

impl Cell {
    /// The problem's number: pass@k of a verdict, the mean of a score. `None` with too few samples.
    pub(crate) fn value(self, k: Option<usize>) -> Option<f64> {
        match k {
            Some(k) => pass_at_k(self.samples, self.sum as usize, k),
            None => (self.samples > 0).then(|| self.sum / self.samples as f64),
        }
    }

    /// One verdict for the problem: its only sample's, or that of more than half of them.
    pub(crate) fn majority(self) -> bool {
        2.0 * self.sum > self.samples as f64
    }
}

/// Each problem's cell for the arms and measures of a run.
pub(crate) struct Tally {
    measures: usize,
    cells: Vec<Vec<Cell>>,
    /// For each verdict, samples whose value is neither 0 nor 1 (they count as not passed); for each
    /// preference, those whose value is not from 0 to 1 (they count as the nearer end).
    pub between: Vec<usize>,
    /// For each measure, graded samples that lack it; those of a reference arm that has it nowhere
    /// are left out, for it is only compared with.
    pub lacking: Vec<usize>,
}

impl Tally {
    /// Goes through every graded sample once.
    pub(crate) fn new(evidence: &Evidence) -> Self {
        let measures = evidence.run.measures.len();
        let empty = vec![Cell::default(); evidence.problems.len()];
        let mut tally = Self {
            measures,
            cells: vec![empty; measures * evidence.run.arms.len()],
            between: vec![0; measures],
            lacking: vec![0; measures],
        };
        for row in evidence.rows.iter().filter(|row| row.graded) {
            for measure in 0..measures {
                tally.add(evidence, row, measure);
            }
        }
        tally.forgive_the_reference(evidence);
        tally
    }

    fn forgive_the_reference(&mut self, evidence: &Evidence) {
        let run = &evidence.run;
        let reference = run.arms.iter().position(|arm| arm.label == run.reference).unwrap_or(0);
        let of = |row: &&Row| row.graded && usize::from(row.arm) == reference;
        let graded = evidence.rows.iter().filter(of).count();
        for measure in 0..self.measures {
            let has_none = self.cells(reference, measure).iter().all(|cell| cell.samples == 0);
            if has_none && run.arms.len() > 1 {
                self.lacking[measure] -= graded;
            }
        }
    }

    fn add(&mut self, evidence: &Evidence, row: &Row, measure: usize) {
        let value = evidence.value(row, measure);
        if value.is_nan() {
            self.lacking[measure] += 1;
            return;
        }
        let kind = evidence.run.measures[measure].kind;
        let cells = &mut self.cells[usize::from(row.arm) * self.measures + measure];
        let cell = &mut cells[row.problem as usize];
        cell.samples += 1;
        let odd = match kind {
            MeasureKind::Score => false,
            MeasureKind::Verdict => value != 0.0 && value != 1.0,
            MeasureKind::Preference => !(0.0..=1.0).contains(&value),
        };
        self.between[measure] += usize::from(odd);
        cell.sum += match kind {
            MeasureKind::Score => value,
            MeasureKind::Verdict => f64::from(u8::from(value == 1.0)),
            MeasureKind::Preference => value.clamp(0.0, 1.0),
        };
    }

    /// The cells of an arm and a measure, by problem.
    pub(crate) fn cells(&self, arm: usize, measure: usize) -> &[Cell] {
        &self.cells[arm * self.measures + measure]
    }
}
