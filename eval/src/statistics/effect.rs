//! The minimum detectable effect of a paired comparison.

use super::distributions::{Z, normal_quantile};

/// The chance of finding a difference of the minimum detectable size.
const POWER: f64 = 0.8;

/// The smallest true difference that a paired comparison over `problems` finds with 80 % power at the
/// 5 % level, both sides. `discordance` is the mean square of a problem's difference: with one
/// verdict a problem that is the share of problems on which the arms differ. From
/// `effect = (z + z') sqrt((discordance - effect^2) / problems)`, solved for the effect. `None`
/// without problems or discordance: from arms that never differed nothing can be foretold.
pub fn minimum_detectable_effect(discordance: f64, problems: usize) -> Option<f64> {
    if problems == 0 || discordance <= 0.0 {
        return None;
    }
    let z = Z + normal_quantile(POWER);
    Some(z * (discordance / (problems as f64 + z * z)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points for discordances of 5, 10 and 20 %, from a table made by another program.
    #[test]
    fn a_known_table_is_met_within_a_tenth_of_a_point() {
        let table = [
            (100, [6.0, 8.5, 12.1]),
            (200, [4.4, 6.2, 8.7]),
            (400, [3.1, 4.4, 6.2]),
            (880, [2.1, 3.0, 4.2]),
            (1024, [2.0, 2.8, 3.9]),
            (1055, [1.9, 2.7, 3.8]),
            (2000, [1.4, 2.0, 2.8]),
        ];
        for (problems, row) in table {
            for (discordance, expected) in [0.05, 0.1, 0.2].into_iter().zip(row) {
                let found = 100.0 * minimum_detectable_effect(discordance, problems).unwrap();
                assert!((found - expected).abs() < 0.1, "{problems} {discordance}: {found}");
            }
        }
    }

    #[test]
    fn nothing_is_foretold_from_nothing() {
        assert_eq!(minimum_detectable_effect(0.0, 100), None);
        assert_eq!(minimum_detectable_effect(0.1, 0), None);
    }
}
