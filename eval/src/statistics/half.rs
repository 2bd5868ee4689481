//! Preferences held against one half, which a coin would reach: counts, a test, and what could have been
//! seen. A problem's number is 1 where the answer is preferred, 0 where the other one is, 1/2 for a tie;
//! with several samples, their mean.

use super::mcnemar::even_split;
use super::{
    Draws, Interval, bootstrap_mean, minimum_detectable_effect, sign_flip, wilson_of_parts,
};

/// How far preferences are from a coin's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AgainstHalf {
    /// Problems above one half.
    pub above: usize,
    /// Problems below it.
    pub below: usize,
    /// Problems at it.
    pub ties: usize,
    /// The two-sided p-value of a chance of one half: the exact sign test, ties left out (Dixon and Mood
    /// 1946); with several samples the permutation of signs.
    pub p: f64,
    /// The smallest true distance from one half that would be found with 80 % power, for the ties seen.
    pub minimum_detectable: Option<f64>,
}

/// Holds numbers from 0 to 1, one a problem, against one half. `single` says that each is one sample's.
/// `None` without a number.
pub fn against_half(values: &[f64], single: bool, draws: Draws) -> Option<AgainstHalf> {
    if values.is_empty() {
        return None;
    }
    let from_half: Vec<f64> = values.iter().map(|value| value - 0.5).collect();
    let above = from_half.iter().filter(|&&by| by > 0.0).count();
    let below = from_half.iter().filter(|&&by| by < 0.0).count();
    let squares: f64 = from_half.iter().map(|by| by * by).sum();
    Some(AgainstHalf {
        above,
        below,
        ties: values.len() - above - below,
        p: if single { even_split(above, below) } else { sign_flip(&from_half, draws) },
        minimum_detectable: minimum_detectable_effect(squares / values.len() as f64, values.len()),
    })
}

/// The mean of such numbers, with its interval: Wilson's, ties counted as half a success, where each is
/// one sample's or all are alike; else the bootstrap over problems.
pub fn preference_rate(
    values: &[f64],
    single: bool,
    draws: Draws,
) -> (Option<f64>, Option<Interval>) {
    if values.is_empty() {
        return (None, None);
    }
    let sum = values.iter().sum::<f64>();
    let drawn = if single { None } else { bootstrap_mean(values, draws) };
    let interval = drawn.unwrap_or_else(|| wilson_of_parts(sum, values.len()));
    (Some(sum / values.len() as f64), Some(interval))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Method;

    const DRAWS: Draws = Draws { seed: 1, replicates: 10_000 };

    fn preferences(won: usize, lost: usize, tied: usize) -> Vec<f64> {
        [vec![1.0; won], vec![0.0; lost], vec![0.5; tied]].concat()
    }

    /// scipy.stats.binomtest(12, 15), and its proportion_ci(method="wilson").
    #[test]
    fn twelve_of_fifteen_are_what_scipy_says() {
        let found = against_half(&preferences(12, 3, 0), true, DRAWS).unwrap();
        assert_eq!((found.above, found.below, found.ties), (12, 3, 0));
        assert!((found.p - 0.035_156_25).abs() < 1e-12, "{found:?}");
        let (rate, interval) = preference_rate(&preferences(12, 3, 0), true, DRAWS);
        let interval = interval.unwrap();
        assert_eq!((rate, interval.method), (Some(0.8), Method::Wilson));
        assert!((interval.low - 0.548_145_512_848_306_5).abs() < 1e-12, "{interval:?}");
        assert!((interval.high - 0.929_524_506_530_184_4).abs() < 1e-12, "{interval:?}");
        // The effect d of a share 1/2 + d of 15 plain verdicts: d = (z + z') sqrt((1/4 - d^2) / 15).
        let effect = found.minimum_detectable.unwrap();
        let z = 1.959_963_984_540_054 + 0.841_621_233_572_914_3;
        assert!((effect - z * ((0.25 - effect * effect) / 15.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn ties_are_in_the_rate_and_not_in_the_test() {
        let (with, without) = (preferences(9, 2, 30), preferences(9, 2, 0));
        let of = |values: &[f64]| against_half(values, true, DRAWS).unwrap();
        assert_eq!((of(&with).p, of(&with).ties), (of(&without).p, 30));
        assert!((preference_rate(&with, true, DRAWS).0.unwrap() - 24.0 / 41.0).abs() < 1e-12);
        let all_tied = against_half(&[0.5; 8], true, DRAWS).unwrap();
        assert_eq!((all_tied.p, all_tied.minimum_detectable), (1.0, None));
        let (rate, interval) = preference_rate(&[0.5; 8], true, DRAWS);
        assert!(rate == Some(0.5) && interval.unwrap().high > 0.75, "{interval:?}");
    }

    #[test]
    fn several_samples_of_a_problem_are_one_number() {
        let values = [0.75, 1.0, 0.25, 0.75, 0.5, 1.0, 0.75, 0.5];
        let found = against_half(&values, false, DRAWS).unwrap();
        assert_eq!((found.above, found.below, found.ties), (5, 1, 2));
        let interval = preference_rate(&values, false, DRAWS).1.unwrap();
        assert_eq!(interval.method, Method::Bootstrap);
        assert_eq!(against_half(&[], true, DRAWS), None);
    }
}
