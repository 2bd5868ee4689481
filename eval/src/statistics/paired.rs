//! Two arms on the same problems: the difference, its interval, tests, and what could have been seen.

use serde::{Deserialize, Serialize};

use super::distributions::Z;
use super::{Draws, Interval, Method, bootstrap_mean, minimum_detectable_effect, sign_flip};

/// The difference of two arms over the problems that both answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// The arm less the reference: the mean of the problems' differences.
    pub value: f64,
    /// Where the true difference lies.
    pub interval: Option<Interval>,
    /// Problems that both answered.
    pub problems: usize,
    /// Problems on which they differ.
    pub differing: usize,
    /// The p-value of the sign-flip test over problems.
    pub p: f64,
    /// The smallest difference that would be found with 80 % power, for the discordance seen.
    pub minimum_detectable: Option<f64>,
}

/// Compares pairs (arm, reference), one a problem; `rates` says that the values are shares of success.
/// `None` without a pair.
pub fn paired(pairs: &[(f64, f64)], rates: bool, draws: Draws) -> Option<Paired> {
    if pairs.is_empty() {
        return None;
    }
    let n = pairs.len();
    let differences: Vec<f64> = pairs.iter().map(|(arm, reference)| arm - reference).collect();
    let differing = differences.iter().filter(|&&d| d != 0.0).count();
    let discordance = differences.iter().map(|d| d * d).sum::<f64>() / n as f64;
    let all_alike = differences.iter().all(|&d| d == differences[0]);
    let interval = if rates && all_alike {
        Some(always(differences[0], n))
    } else {
        bootstrap_mean(&differences, draws)
    };
    Some(Paired {
        value: differences.iter().sum::<f64>() / n as f64,
        interval,
        problems: n,
        differing,
        p: sign_flip(&differences, draws),
        minimum_detectable: minimum_detectable_effect(discordance, n),
    })
}

/// Arms that differed by the same on each of `problems` (by nothing, as a rule) leave nothing to draw
/// from. They may still differ otherwise on as many problems as Wilson's upper end for none of so many
/// allows, and there by anything from -1 to 1.
fn always(difference: f64, problems: usize) -> Interval {
    let most = Z * Z / (problems as f64 + Z * Z);
    Interval {
        low: difference - most * (1.0 + difference),
        high: difference + most * (1.0 - difference),
        method: Method::Wilson,
    }
}
