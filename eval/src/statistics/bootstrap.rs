//! The bootstrap over problems: bias-corrected and accelerated (Efron 1987), with the tails widened
//! for few problems as Hesterberg (2015, *What Teachers Should Know about the Bootstrap*) widens those
//! of the percentile interval.

use rayon::prelude::*;
use splitmix::SplitMix64;

use super::distributions::{normal_cdf, normal_quantile, student_quantile};
use super::{Interval, LEVEL, Method};

/// How much is drawn, and from which seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// What every draw follows from.
    pub seed: u64,
    /// Most samples of problems drawn for an interval; fewer where many problems make each dear and
    /// the interval steady.
    pub replicates: usize,
}

/// Numbers drawn for one interval, beyond which fewer samples are taken.
const WORK: usize = 20_000_000;

/// The fewest samples an interval is made from.
const FEWEST: usize = 1_000;

impl Draws {
    /// How many samples of `size` numbers are drawn.
    pub fn replicates_of(self, size: usize) -> usize {
        (WORK / size.max(1)).clamp(FEWEST, self.replicates.max(FEWEST))
    }

    /// What `one` makes of each stream of numbers. Each has its own stream, so that the result is the
    /// same whatever the number of threads.
    pub(super) fn each(self, size: usize, one: impl Fn(&mut SplitMix64) -> f64 + Sync) -> Vec<f64> {
        let count = self.replicates_of(size);
        let streams = (0..count).into_par_iter().with_min_len(16);
        streams.map(|number| one(&mut SplitMix64::stream(self.seed, number as u64))).collect()
    }
}

/// The interval of the mean of `values`, one a problem. `None` with fewer than two values or where
/// all are equal: then there is nothing to draw from.
pub fn bootstrap_mean(values: &[f64], draws: Draws) -> Option<Interval> {
    let n = values.len();
    if n < 2 || values.iter().all(|&value| value == values[0]) {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let mut means = draws.each(n, |stream| drawn_mean(values, stream));
    means.par_sort_unstable_by(f64::total_cmp);
    let few = (n as f64 / (n - 1) as f64).sqrt();
    let reach = few * student_quantile(0.5 + LEVEL / 2.0, n - 1);
    let bias = bias(&means, mean);
    let acceleration = acceleration(values, mean);
    let end = |z: f64| quantile(&means, corrected(z, bias, acceleration));
    Some(Interval { low: end(-reach), high: end(reach), method: Method::Bootstrap })
}

fn drawn_mean(values: &[f64], stream: &mut SplitMix64) -> f64 {
    let sum: f64 = (0..values.len()).map(|_| values[stream.below(values.len())]).sum();
    sum / values.len() as f64
}

/// How far the middle of the drawn means is from the mean itself, in normal units.
fn bias(means: &[f64], mean: f64) -> f64 {
    let below = means.partition_point(|&drawn| drawn < mean);
    let up_to = means.partition_point(|&drawn| drawn <= mean);
    let share = (below + up_to) as f64 / (2 * means.len()) as f64;
    normal_quantile(share.clamp(0.5 / means.len() as f64, 1.0 - 0.5 / means.len() as f64))
}

/// The jackknife's acceleration; of a mean it is a sixth of the skewness over the root of n.
fn acceleration(values: &[f64], mean: f64) -> f64 {
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in values {
        let from = value - mean;
        squares += from * from;
        cubes += from * from * from;
    }
    cubes / (6.0 * squares.powf(1.5))
}

/// Which share of the drawn means lies below the end that `z` stands for.
fn corrected(z: f64, bias: f64, acceleration: f64) -> f64 {
    let shifted = bias + z;
    let stretch = 1.0 - acceleration * shifted;
    if stretch <= 0.0 {
        return if z < 0.0 { 0.0 } else { 1.0 };
    }
    normal_cdf(bias + shifted / stretch)
}

/// The quantile of sorted numbers, between two of them by distance.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (left, right) = (at.floor() as usize, at.ceil() as usize);
    sorted[left] + (at - left as f64) * (sorted[right] - sorted[left])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let values: Vec<f64> = (0..300).map(|i| f64::from(i * i % 97)).collect();
        let draws = Draws { seed: 7, replicates: 2_000 };
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let many = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
        let expected = alone.install(|| bootstrap_mean(&values, draws));
        assert!(expected.is_some());
        assert_eq!(expected, many.install(|| bootstrap_mean(&values, draws)));
    }

    #[test]
    fn no_spread_gives_no_interval() {
        let draws = Draws { seed: 7, replicates: 1_000 };
        assert_eq!(bootstrap_mean(&[0.5; 20], draws), None);
        assert_eq!(bootstrap_mean(&[0.5], draws), None);
    }
}
