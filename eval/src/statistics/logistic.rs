//! Logistic regression on one variable by Newton's method, with a ridge on the slope alone. Outcomes
//! may be anything from 0 to 1. Leaves out more variables.

/// Most steps; a fit takes fewer than ten.
const MAX_STEPS: usize = 100;
/// A fit is there when no coefficient moves by more.
const PRECISION: f64 = 1e-12;
/// Longest step of a coefficient: Newton's method may otherwise leap out of reach at the start.
const MAX_STEP: f64 = 5.0;

/// A fitted curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// Log-odds at 0.
    pub(super) intercept: f64,
    /// Log-odds for each unit.
    pub(super) slope: f64,
    /// Standard error of the intercept, from the curvature of the penalised likelihood.
    pub(super) error: f64,
}

/// One over one plus e to the minus `x`.
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The fit of outcomes `y` on `x` that maximises the log-likelihood less half of `ridge` times the
/// square of the slope; `None` where there is no finite one.
pub(super) fn fit(points: &[(f64, f64)], ridge: f64) -> Option<Fit> {
    let (mut intercept, mut slope) = (0.0, 0.0);
    for _ in 0..MAX_STEPS {
        let Curve { gradient: [g0, g1], curvature: [h00, h01, h11] } =
            curve(points, intercept, slope, ridge);
        let determinant = h00 * h11 - h01 * h01;
        let step0 = (h11 * g0 - h01 * g1) / determinant;
        let step1 = (h00 * g1 - h01 * g0) / determinant;
        if !step0.is_finite() || !step1.is_finite() {
            return None;
        }
        intercept += step0.clamp(-MAX_STEP, MAX_STEP);
        slope += step1.clamp(-MAX_STEP, MAX_STEP);
        if step0.abs().max(step1.abs()) < PRECISION {
            let error = (h11 / determinant).sqrt();
            return Some(Fit { intercept, slope, error });
        }
    }
    None
}

/// First and second derivatives of the penalised log-likelihood, the second with its sign turned.
struct Curve {
    gradient: [f64; 2],
    curvature: [f64; 3],
}

fn curve(points: &[(f64, f64)], intercept: f64, slope: f64, ridge: f64) -> Curve {
    let mut gradient = [0.0, -ridge * slope];
    let mut curvature = [0.0, 0.0, ridge];
    for &(x, y) in points {
        let p = sigmoid(intercept + slope * x);
        let weight = p * (1.0 - p);
        gradient[0] += y - p;
        gradient[1] += (y - p) * x;
        curvature[0] += weight;
        curvature[1] += weight * x;
        curvature[2] += weight * x * x;
    }
    Curve { gradient, curvature }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_have_their_log_odds() {
        // 3 of 4 at x = 0, 1 of 4 at x = 1: without a ridge the fit goes through both.
        let points: Vec<(f64, f64)> = [(0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 0.0)]
            .into_iter()
            .chain([(1.0, 1.0), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0)])
            .collect();
        let fit = fit(&points, 0.0).unwrap();
        assert!((fit.intercept - 3.0_f64.ln()).abs() < 1e-10);
        assert!((fit.slope + 2.0 * 3.0_f64.ln()).abs() < 1e-10);
        assert!((fit.error - (4.0_f64 / 3.0).sqrt()).abs() < 1e-10, "1/3 + 1/1: {}", fit.error);
    }

    #[test]
    fn outcomes_without_a_finite_fit_have_none() {
        assert_eq!(fit(&[(0.0, 1.0), (1.0, 1.0)], 1.0), None);
    }
}
