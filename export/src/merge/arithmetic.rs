//! PEFT's arithmetic of task tensors (`peft/utils/merge_utils.py`): prune each, agree on signs, add.
//! TIES: Yadav et al. 2023, <https://arxiv.org/abs/2306.01708>. DARE: Yu et al. 2023,
//! <https://arxiv.org/abs/2311.03099>.

use super::random::Stream;

/// How tensors of one shape become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arithmetic {
    /// What is left out of each.
    pub prune: Prune,
    /// By what each value's sign is decided; other signs are then left out of the mean (TIES).
    pub sign: Option<MajoritySign>,
}

/// Which values are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prune {
    /// All.
    Nothing,
    /// The largest; `density` is the share kept, in [0, 1].
    Magnitude {
        /// Share of the values.
        density: f64,
    },
    /// Each by the toss of a coin, and what is kept divided by `density` (DARE).
    Random {
        /// Chance of each value.
        density: f64,
        /// Decides every toss.
        seed: u64,
    },
}

/// What decides a value's sign among several adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MajoritySign {
    /// The sign of the sum.
    Total,
    /// The more frequent sign; positive where both are as frequent.
    Frequency,
}

/// One adapter's tensor.
pub(super) struct Task<'a> {
    pub(super) values: &'a [f32],
    pub(super) weight: f32,
    /// Names its random draws, beside the seed.
    pub(super) stream: String,
    /// Columns of `values` if draws and ties go through it column by column.
    pub(super) transposed: Option<usize>,
}

impl Arithmetic {
    /// The weighted sum.
    pub const SUM: Self = Self { prune: Prune::Nothing, sign: None };

    /// One tensor out of all.
    pub(super) fn combine(&self, tasks: &[Task]) -> Vec<f32> {
        let pruned: Vec<Vec<f32>> = tasks.iter().map(|task| self.prune.prune(task)).collect();
        let length = pruned.first().map_or(0, Vec::len);
        (0..length).map(|i| self.one(tasks, &pruned, i)).collect()
    }

    fn one(&self, tasks: &[Task], pruned: &[Vec<f32>], i: usize) -> f32 {
        let values = || tasks.iter().zip(pruned).map(|(task, values)| (task.weight, values[i]));
        let Some(sign) = self.sign else {
            return values().fold(0.0, |sum, (weight, value)| sum + value * weight);
        };
        let majority = match sign {
            MajoritySign::Total => values().map(|(_, value)| value).sum::<f32>(),
            MajoritySign::Frequency => values().map(|(_, value)| direction(value)).sum(),
        };
        let majority = if majority >= 0.0 { 1.0 } else { -1.0 };
        let agree = || values().filter(|(_, value)| direction(*value) == majority);
        let sum = agree().fold(0.0, |sum, (weight, value)| sum + value * weight);
        sum / (agree().count() as f32).max(1.0)
    }
}

/// -1, 0 or 1.
fn direction(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

impl Prune {
    fn prune(self, task: &Task) -> Vec<f32> {
        match self {
            Prune::Magnitude { density } if density < 1.0 => largest(task, density),
            Prune::Random { density, seed } if density < 1.0 => tossed(task, density, seed),
            _ => task.values.to_vec(),
        }
    }
}

/// The largest `density · len` values; of equal ones the first.
fn largest(task: &Task, density: f64) -> Vec<f32> {
    let values = task.values;
    // Truncated, as PEFT does.
    let kept = (density * values.len() as f64) as usize;
    let mut sizes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    if kept == 0 {
        return vec![0.0; values.len()];
    }
    let (_, &mut least, _) = sizes.select_nth_unstable_by(kept - 1, |a, b| b.total_cmp(a));
    let above = values.iter().filter(|value| value.abs() > least).count();
    let (mut equal, mut out) = (kept - above, vec![0.0; values.len()]);
    for i in task.order() {
        let size = values[i].abs();
        let tie = size == least && equal > 0;
        equal -= usize::from(tie);
        if tie || size > least {
            out[i] = values[i];
        }
    }
    out
}

fn tossed(task: &Task, density: f64, seed: u64) -> Vec<f32> {
    let mut stream = Stream::named(&format!("dare {seed} {}", task.stream));
    let mut out = vec![0.0; task.values.len()];
    for i in task.order() {
        if stream.unit() < density {
            out[i] = task.values[i] / density as f32;
        }
    }
    out
}

impl Task<'_> {
    /// The places of the values in the order in which PEFT holds them.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let columns = self.transposed.unwrap_or(1);
        let rows = self.values.len() / columns.max(1);
        (0..columns).flat_map(move |column| (0..rows).map(move |row| row * columns + column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(values: &[f32], weight: f32) -> Task<'_> {
        Task { values, weight, stream: "s".into(), transposed: None }
    }

    #[test]
    fn the_largest_stay_and_of_equal_ones_the_first() {
        let values = [1.0, -3.0, 2.0, -2.0, 2.0, 0.5];
        let half = Arithmetic { prune: Prune::Magnitude { density: 0.5 }, sign: None };
        assert_eq!(half.combine(&[task(&values, 1.0)]), [0., -3., 2., -2., 0., 0.]);
        let by_column = Task { transposed: Some(2), ..task(&values, 1.0) };
        assert_eq!(half.combine(&[by_column]), [0., -3., 2., 0., 2., 0.]);
        let none = Arithmetic { prune: Prune::Magnitude { density: 0.0 }, sign: None };
        assert_eq!(none.combine(&[task(&values, 1.0)]), [0.0; 6]);
    }

    #[test]
    fn the_majority_decides_and_the_others_are_left_out() {
        let (a, b, c) = ([1.0, 4.0, 0.0], [1.0, -1.0, -2.0], [-4.0, -1.0, 0.0]);
        let tasks = [task(&a, 1.0), task(&b, 3.0), task(&c, 1.0)];
        let by = |sign| Arithmetic { prune: Prune::Nothing, sign: Some(sign) }.combine(&tasks);
        assert_eq!(by(MajoritySign::Total), [-4.0, 4.0, -6.0]);
        assert_eq!(by(MajoritySign::Frequency), [2.0, -2.0, -6.0]);
    }

    #[test]
    fn coins_fall_by_the_seed_and_keep_the_mean() {
        let values = vec![1.0; 20_000];
        let toss = |seed| {
            let prune = Prune::Random { density: 0.3, seed };
            Arithmetic { prune, sign: None }.combine(&[task(&values, 1.0)])
        };
        assert_eq!(toss(1), toss(1));
        assert_ne!(toss(1), toss(2));
        let mean = toss(1).iter().sum::<f32>() / 20_000.0;
        // Five standard errors of the mean.
        assert!((mean - 1.0).abs() < 5.0 * (0.7_f32 / 0.3 / 20_000.0).sqrt(), "{mean}");
    }
}
