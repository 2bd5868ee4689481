//! McNemar's exact test: two arms, one verdict each a problem.

use serde::{Deserialize, Serialize};

/// How often two arms passed the same problems, and whether the difference could be chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Problems both pass.
    pub both: usize,
    /// Problems the arm alone passes.
    pub arm_only: usize,
    /// Problems the reference alone passes.
    pub reference_only: usize,
    /// Problems neither passes.
    pub neither: usize,
    /// The chance of so uneven a split or a more uneven one, were both equally good: both tails.
    pub p: f64,
}

/// Counts pairs (arm passes, reference passes) and tests them.
pub fn mcnemar(pairs: impl IntoIterator<Item = (bool, bool)>) -> McNemar {
    let mut found = McNemar { both: 0, arm_only: 0, reference_only: 0, neither: 0, p: 1.0 };
    for pair in pairs {
        match pair {
            (true, true) => found.both += 1,
            (true, false) => found.arm_only += 1,
            (false, true) => found.reference_only += 1,
            (false, false) => found.neither += 1,
        }
    }
    found.p = even_split(found.arm_only, found.reference_only);
    found
}

/// The two-sided exact binomial test of `a` against `b` at a chance of one half.
pub(super) fn even_split(a: usize, b: usize) -> f64 {
    let (n, few) = (a + b, a.min(b));
    if 2 * few >= n {
        return 1.0;
    }
    let ln_choose = |k: usize| {
        libm::lgamma(n as f64 + 1.0)
            - libm::lgamma(k as f64 + 1.0)
            - libm::lgamma((n - k) as f64 + 1.0)
    };
    // The tail's largest term is its last; each one before is smaller by k / (n - k + 1).
    let mut term = (ln_choose(few) - n as f64 * std::f64::consts::LN_2).exp();
    let mut tail = 0.0;
    for k in (0..=few).rev() {
        tail += term;
        if term < tail * 1e-17 {
            break;
        }
        term *= k as f64 / (n - k + 1) as f64;
    }
    (2.0 * tail).min(1.0)
}
