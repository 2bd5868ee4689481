//! The statistics against scipy's and statsmodels' (`golden/statistics/record.py`).

use eval::statistics::{
    Draws, bootstrap_mean, holm, mcnemar, normal_cdf, normal_quantile, paired, pass_at_k,
    sign_flip, student_quantile, wilson,
};
use serde_json::Value;

fn expected() -> Value {
    serde_json::from_str(include_str!("../golden/statistics/expected.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

#[test]
fn wilson_is_statsmodels() {
    for row in rows(&expected()["wilson"]) {
        let found = wilson(row[0] as usize, row[1] as usize);
        close(found.low, row[2], 1e-12);
        close(found.high, row[3], 1e-12);
    }
}

#[test]
fn mcnemar_is_statsmodels() {
    for row in rows(&expected()["mcnemar"]) {
        let (arm, reference) = (row[0] as usize, row[1] as usize);
        let pairs = std::iter::repeat_n((true, false), arm)
            .chain(std::iter::repeat_n((false, true), reference))
            .chain([(true, true), (false, false)]);
        let found = mcnemar(pairs);
        assert_eq!((found.arm_only, found.reference_only), (arm, reference));
        assert_eq!((found.both, found.neither), (1, 1));
        close(found.p, row[2], 1e-9 * (1.0 + row[2]));
    }
}

#[test]
fn holm_is_statsmodels() {
    for case in expected()["holm"].as_array().unwrap() {
        let found = holm(&numbers(&case["p"]));
        for (found, expected) in found.iter().zip(numbers(&case["adjusted"])) {
            close(*found, expected, 1e-14);
        }
    }
}

#[test]
fn quantiles_are_scipys() {
    let expected = expected();
    for row in rows(&expected["quantiles"]["normal"]) {
        close(normal_quantile(row[0]), row[1], 1e-9);
        close(normal_cdf(row[1]), row[0], 1e-13);
    }
    for row in rows(&expected["quantiles"]["student"]) {
        close(student_quantile(row[0], row[1] as usize), row[2], 1e-7 * (1.0 + row[2].abs()));
    }
}

#[test]
fn sign_flips_are_scipys_permutations() {
    let expected = expected();
    let draws = Draws { seed: 1, replicates: 100_000 };
    for case in expected["sign_flip"]["exact"].as_array().unwrap() {
        close(sign_flip(&numbers(&case["differences"]), draws), number(&case["p"]), 1e-12);
    }
    let drawn = &expected["sign_flip"]["drawn"];
    let found = sign_flip(&numbers(&drawn["differences"]), draws);
    close(found, number(&drawn["p"]), 0.005);
}

#[test]
fn a_sign_flip_of_single_verdicts_is_mcnemars_test() {
    let pairs: Vec<(bool, bool)> =
        (0..40).map(|i| (i % 3 != 0, i % 7 > 2)).filter(|(a, b)| a == b || *a).collect();
    let one_sided: Vec<f64> = pairs.iter().map(|&(a, b)| f64::from(a) - f64::from(b)).collect();
    let few = &one_sided[..24];
    let expected = mcnemar(pairs[..24].iter().copied()).p;
    close(sign_flip(few, Draws { seed: 0, replicates: 1_000 }), expected, 1e-12);
}

#[test]
fn the_bootstrap_is_scipys_up_to_the_noise_of_draws() {
    for case in expected()["bootstrap"].as_array().unwrap() {
        let values = numbers(&case["values"]);
        let found = bootstrap_mean(&values, Draws { seed: 3, replicates: 50_000 }).unwrap();
        let (low, high) = (number(&case["low"]), number(&case["high"]));
        close(found.low, low, 0.02 * (high - low));
        close(found.high, high, 0.02 * (high - low));
    }
}

#[test]
fn pass_at_k_is_the_ratio_of_whole_numbers() {
    for row in rows(&expected()["pass_at_k"]) {
        let found = pass_at_k(row[0] as usize, row[1] as usize, row[2] as usize).unwrap();
        close(found, row[3], 1e-12);
    }
}

#[test]
fn a_pair_of_equal_arms_differs_by_nothing_within_what_was_seen() {
    let draws = Draws { seed: 0, replicates: 1_000 };
    let found = paired(&[(1.0, 1.0); 100], true, draws).unwrap();
    let interval = found.interval.unwrap();
    // Wilson's upper end for none of a hundred.
    close(interval.high, wilson(0, 100).high, 1e-12);
    close(interval.low, -interval.high, 1e-12);
    assert_eq!((found.value, found.p, found.minimum_detectable), (0.0, 1.0, None));
    assert_eq!(paired(&[], true, draws), None);
    // Always better by everything: as many others may be worse by everything.
    let found = paired(&[(1.0, 0.0); 100], true, draws).unwrap().interval.unwrap();
    close(found.low, 1.0 - 2.0 * wilson(0, 100).high, 1e-12);
    close(found.high, 1.0, 1e-12);
    assert_eq!(paired(&[(0.5, 0.5); 100], false, draws).unwrap().interval, None, "of scores");
}
