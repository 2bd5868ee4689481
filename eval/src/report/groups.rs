//! The values of a run's groups and the order in which they are shown: easy before medium before hard,
//! numbers by size, everything else by letter.

use std::collections::BTreeMap;

use super::evidence::Problem;

/// Group values as they are met.
pub(crate) struct Groups<'a> {
    names: &'a [String],
    values: Vec<Vec<String>>,
}

impl<'a> Groups<'a> {
    /// No values yet of the groups `names`.
    pub(crate) fn new(names: &'a [String]) -> Self {
        Self { names, values: vec![Vec::new(); names.len()] }
    }

    /// For each group, the number of the value that a problem has.
    pub(crate) fn places(&mut self, problem: &BTreeMap<String, String>) -> Vec<Option<u16>> {
        let groups = self.names.iter().zip(&mut self.values);
        groups.map(|(name, values)| place(problem.get(name)?, values)).collect()
    }

    /// The values in order, and the problems renumbered to it.
    pub(crate) fn in_order(self, problems: &mut [Problem]) -> Vec<Vec<String>> {
        let mut ordered = Vec::new();
        for (group, values) in self.values.into_iter().enumerate() {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|&a, &b| rank(&values[a]).total_order(&rank(&values[b])));
            let mut new = vec![0u16; values.len()];
            for (to, &from) in (0..).zip(&order) {
                new[from] = to;
            }
            for problem in problems.iter_mut() {
                problem.groups[group] = problem.groups[group].map(|old| new[usize::from(old)]);
            }
            ordered.push(order.into_iter().map(|from| values[from].clone()).collect());
        }
        ordered
    }
}

/// More values than this are no groups: the rest belongs to none.
const MOST_VALUES: usize = 1000;

fn place(value: &str, values: &mut Vec<String>) -> Option<u16> {
    let at = values.iter().position(|known| known == value).or_else(|| {
        (values.len() < MOST_VALUES).then(|| {
            values.push(value.to_owned());
            values.len() - 1
        })
    })?;
    u16::try_from(at).ok()
}

/// Where a value belongs.
struct Rank<'a> {
    known: usize,
    number: f64,
    text: &'a str,
}

impl Rank<'_> {
    fn total_order(&self, other: &Self) -> std::cmp::Ordering {
        let known = self.known.cmp(&other.known);
        known.then(self.number.total_cmp(&other.number)).then(self.text.cmp(other.text))
    }
}

fn rank(value: &str) -> Rank<'_> {
    let known = ["easy", "medium", "hard"];
    let lower = value.to_lowercase();
    Rank {
        known: known.iter().position(|&word| word == lower).unwrap_or(known.len()),
        number: value.parse().ok().filter(|n: &f64| n.is_finite()).unwrap_or(f64::MAX),
        text: value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_the_order_that_a_reader_expects() {
        let mut values = vec!["hard", "10", "atcoder", "easy", "9", "medium"];
        values.sort_by(|a, b| rank(a).total_order(&rank(b)));
        assert_eq!(values, ["easy", "medium", "hard", "9", "10", "atcoder"]);
    }
}
