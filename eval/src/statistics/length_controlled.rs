//! The length-controlled win rate of AlpacaEval 2 (Dubois et al. 2024, "Length-Controlled
//! AlpacaEval"): a logistic regression of the verdict on an intercept and the hyperbolic tangent of the
//! standardised difference in length; the rate is what it predicts at equal lengths. Leaves out the
//! instruction's difficulty, which they estimate from other models' answers to the same instructions,
//! and their regularisation chosen by cross-validation: here it is fixed.

use serde::{Deserialize, Serialize};

use super::distributions::Z;
use super::logistic::{self, Fit};
use super::{Interval, wilson};

/// Weight of the ridge on the length's coefficient: what keeps it finite where length decides all.
const RIDGE: f64 = 1.0;

/// One comparison of an answer with its rival.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// 1 for a win, 0 for a loss, 1/2 for a tie; anything between is a probability.
    pub score: f64,
    /// How much longer the answer is than its rival, in characters or tokens.
    pub longer_by: f64,
}

/// A win rate with and without the length of answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LengthControlled {
    /// Comparisons.
    pub comparisons: usize,
    /// The mean score, as it is.
    pub raw: f64,
    /// The predicted score at equal lengths.
    pub rate: f64,
    /// The 95 % interval of `rate`: Wald's, on the scale of log-odds; Wilson's, of the comparisons as they
    /// are, where every verdict is the same and there is no curve to fit.
    pub interval: [f64; 2],
    /// What a longer answer gains, in log-odds at a difference far beyond the usual; 0 where all
    /// lengths are the same.
    pub length_effect: f64,
}

/// The length-controlled win rate; `None` for no comparisons, or a value that is no finite number.
/// Where every verdict is the same there is nothing to control for: the rate is that verdict.
pub fn length_controlled(comparisons: &[Comparison]) -> Option<LengthControlled> {
    let count = comparisons.len();
    let usable = |c: &Comparison| (0.0..=1.0).contains(&c.score) && c.longer_by.is_finite();
    if count == 0 || !comparisons.iter().all(usable) {
        return None;
    }
    let raw = comparisons.iter().map(|c| c.score).sum::<f64>() / count as f64;
    if raw == 0.0 || raw == 1.0 {
        let Interval { low, high, .. } = wilson((raw * count as f64) as usize, count);
        let interval = [low, high];
        let same =
            LengthControlled { comparisons: count, raw, rate: raw, interval, length_effect: 0.0 };
        return Some(same);
    }
    let scale = deviation(comparisons);
    let length = |c: &Comparison| if scale > 0.0 { (c.longer_by / scale).tanh() } else { 0.0 };
    let points: Vec<(f64, f64)> = comparisons.iter().map(|c| (length(c), c.score)).collect();
    let Fit { intercept, slope, error } = logistic::fit(&points, RIDGE)?;
    let at = |sides: f64| logistic::sigmoid(intercept + sides * Z * error);
    Some(LengthControlled {
        comparisons: count,
        raw,
        rate: at(0.0),
        interval: [at(-1.0), at(1.0)],
        length_effect: slope,
    })
}

/// The standard deviation of the differences in length (with n - 1); 0 where there is none.
fn deviation(comparisons: &[Comparison]) -> f64 {
    let count = comparisons.len() as f64;
    let mean = comparisons.iter().map(|c| c.longer_by).sum::<f64>() / count;
    let squares: f64 = comparisons.iter().map(|c| (c.longer_by - mean).powi(2)).sum();
    if count > 1.0 { (squares / (count - 1.0)).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(score: f64, longer_by: f64) -> Comparison {
        Comparison { score, longer_by }
    }

    #[test]
    fn length_that_explains_every_win_is_taken_out() {
        // Mostly longer answers, each winning as often as its length alone says.
        let lengths: Vec<f64> = (-100..=400).map(f64::from).collect();
        let mut pairs: Vec<Comparison> = lengths.iter().map(|&by| of(0.5, by)).collect();
        let scale = deviation(&pairs);
        for pair in &mut pairs {
            pair.score = logistic::sigmoid(3.0 * (pair.longer_by / scale).tanh());
        }
        let result = length_controlled(&pairs).unwrap();
        assert!(result.raw > 0.7, "{result:?}");
        // The ridge takes a little off the slope, and so leaves a little of it in the rate.
        assert!((result.rate - 0.5).abs() < 0.02, "{result:?}");
        assert!((result.length_effect - 3.0).abs() < 0.2, "{result:?}");
    }

    #[test]
    fn equal_lengths_change_nothing() {
        let pairs = [of(1.0, 7.0), of(1.0, 7.0), of(0.5, 7.0), of(0.0, 7.0)];
        let result = length_controlled(&pairs).unwrap();
        assert!((result.rate - 0.625).abs() < 1e-9 && result.length_effect == 0.0, "{result:?}");
        assert!(result.interval[0] < 0.625 && 0.625 < result.interval[1]);
    }

    #[test]
    fn what_cannot_be_fitted_is_said() {
        assert_eq!(length_controlled(&[]), None);
        assert_eq!(length_controlled(&[of(f64::NAN, 1.0)]), None);
        assert_eq!(length_controlled(&[of(0.5, f64::INFINITY)]), None);
        assert_eq!(length_controlled(&[of(0.5, 3.0)]).unwrap().rate, 0.5);
    }

    #[test]
    fn two_wins_of_two_are_no_certainty() {
        let won = length_controlled(&[of(1.0, 1.0), of(1.0, -5.0)]).unwrap();
        let lost = length_controlled(&[of(0.0, 1.0), of(0.0, -5.0)]).unwrap();
        assert_eq!((won.rate, won.interval[1], lost.rate, lost.interval[0]), (1.0, 1.0, 0.0, 0.0));
        // scipy.stats.binomtest(2, 2).proportion_ci(method="wilson")
        assert!((won.interval[0] - 0.342_380_227_506_653_2).abs() < 1e-12, "{won:?}");
        assert!((lost.interval[1] - 0.657_619_772_493_346_9).abs() < 1e-12, "{lost:?}");
    }

    /// Fits of scikit-learn, recorded by `tests/golden/preference/record.py`.
    #[test]
    fn fits_are_those_of_scikit_learn() {
        #[derive(Deserialize)]
        struct Case {
            comparisons: Vec<Comparison>,
            rate: f64,
            length_effect: f64,
            interval: [f64; 2],
        }
        let text = include_str!("../../tests/golden/preference/fits.json");
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        assert!(cases.len() >= 5);
        for (index, case) in cases.iter().enumerate() {
            let ours = length_controlled(&case.comparisons).unwrap();
            let near = |ours: f64, theirs: f64| (ours - theirs).abs() < 1e-6;
            assert!(near(ours.rate, case.rate), "{index}: {ours:?}, {}", case.rate);
            assert!(near(ours.length_effect, case.length_effect), "{index}: {ours:?}");
            assert!(near(ours.interval[0], case.interval[0]), "{index}: {ours:?}");
            assert!(near(ours.interval[1], case.interval[1]), "{index}: {ours:?}");
        }
    }
}
