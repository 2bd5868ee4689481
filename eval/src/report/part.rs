//! A part of an evaluation, to look at without asking again: the problems after a model's training
//! ended, the hard ones. Left out: what `run.json` and `problems.jsonl` do not know of a problem.

use super::Error;
use super::evidence::{Evidence, Problem};

/// Which problems of an evaluation count; those of every condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Those whose group of this name has this value.
    pub wanted: Vec<(String, String)>,
    /// Dated that day (`2024-08-01`) or later.
    pub start_date: Option<String>,
    /// Dated that day or earlier.
    pub end_date: Option<String>,
}

impl Part {
    /// Whether it is the whole.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Leaves in `evidence` what counts.
    pub(crate) fn of(&self, mut evidence: Evidence) -> Result<Evidence, Error> {
        let wanted = self.places(&evidence)?;
        let kept: Vec<bool> = evidence
            .problems
            .iter()
            .map(|problem| Ok(self.is_in_time(problem)? && has_all(problem, &wanted)))
            .collect::<Result<_, Error>>()?;
        let mut numbers = Vec::with_capacity(kept.len());
        let mut next = 0;
        for &kept in &kept {
            numbers.push(next);
            next += u32::from(kept);
        }
        if next == 0 {
            return Err(Error::Part(
                "no problem is left: loosen the conditions or the dates".into(),
            ));
        }
        let mut each = kept.iter();
        evidence.problems.retain(|_| each.next().is_some_and(|&kept| kept));
        evidence.rows.retain(|row| kept[row.problem as usize]);
        for row in &mut evidence.rows {
            row.problem = numbers[row.problem as usize];
        }
        Ok(evidence)
    }

    /// The conditions as places: which group, which of its values.
    fn places(&self, evidence: &Evidence) -> Result<Vec<(usize, u16)>, Error> {
        let place = |(name, value): &(String, String)| {
            let groups = &evidence.run.groups;
            let unknown = |what: &str, known: &[String]| {
                Error::Part(format!("{what}; there is {}", known.join(", ")))
            };
            let group = groups.iter().position(|group| group == name);
            let group = group
                .ok_or_else(|| unknown(&format!("`{name}` is no group of this run"), groups))?;
            let values = &evidence.groups[group];
            let number = (0u16..).zip(values).find(|(_, known)| *known == value);
            let number = number
                .ok_or_else(|| unknown(&format!("no problem has {name} `{value}`"), values))?;
            Ok((group, number.0))
        };
        self.wanted.iter().map(place).collect()
    }

    fn is_in_time(&self, problem: &Problem) -> Result<bool, Error> {
        let (start, end) = (self.start_date.as_deref(), self.end_date.as_deref());
        if start.is_none() && end.is_none() {
            return Ok(true);
        }
        let date = problem.date.as_deref().ok_or_else(|| {
            Error::Part(format!(
                "problem `{}` has no date in this folder; leave the dates out, or ask with --start-date \
                 and --end-date",
                problem.id
            ))
        })?;
        Ok(start.is_none_or(|start| date >= start) && end.is_none_or(|end| date <= end))
    }
}

fn has_all(problem: &Problem, wanted: &[(usize, u16)]) -> bool {
    wanted.iter().all(|&(group, value)| problem.groups[group] == Some(value))
}
