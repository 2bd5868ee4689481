//! The unbiased estimator of pass@k (Chen et al. 2021, *Evaluating Large Language Models Trained on
//! Code*, eq. 1).

/// The chance that at least one of `k` samples drawn without replacement from `n`, of which `c` are
/// right, is right: `1 - C(n-c, k) / C(n, k)`. `None` where fewer than `k` samples are there: that is
/// told, not guessed. `c` must not exceed `n`.
pub fn pass_at_k(n: usize, c: usize, k: usize) -> Option<f64> {
    if k == 0 || k > n {
        return None;
    }
    if n - c < k {
        return Some(1.0);
    }
    if k == 1 {
        return Some(c as f64 / n as f64);
    }
    let none_right: f64 = (n - c + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product();
    Some(1.0 - none_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at every subset of `k` of `n` samples.
    fn by_enumeration(n: u32, c: u32, k: u32) -> f64 {
        let right = (1u32 << c) - 1;
        let subsets = (0u32..1 << n).filter(|subset| subset.count_ones() == k);
        let (mut all, mut passed) = (0u32, 0u32);
        for subset in subsets {
            all += 1;
            passed += u32::from(subset & right != 0);
        }
        f64::from(passed) / f64::from(all)
    }

    #[test]
    fn it_is_what_enumeration_says() {
        for n in 1..=10 {
            for c in 0..=n {
                for k in 1..=n {
                    let found = pass_at_k(n as usize, c as usize, k as usize).unwrap();
                    let expected = by_enumeration(n, c, k);
                    assert!((found - expected).abs() < 1e-12, "{n} {c} {k}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn too_few_samples_are_not_guessed() {
        assert_eq!(pass_at_k(4, 2, 5), None);
        assert_eq!(pass_at_k(0, 0, 1), None);
        assert_eq!(pass_at_k(4, 4, 0), None);
    }

    #[test]
    fn a_thousand_samples_stay_within_bounds() {
        let values: Vec<f64> = (1..=1000).map(|k| pass_at_k(1000, 3, k).unwrap()).collect();
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1] + 1e-15));
        assert_eq!((values[0], values[999]), (0.003, 1.0));
    }
}
