//! What is demanded of a package: bounds on the figures, by the type in which values are stored.

use super::{Behaviour, Carried, Error, ModuleProof, Result, WeightsProof};
use formats::gguf::TensorType;
use half::{bf16, f16};

/// How far the share of a change may lie from what its type can hold, beyond statistical error.
const SHARE_TOLERANCE: f64 = 0.05;

/// How many standard errors are granted: with some hundred modules, six are exceeded by chance once in
/// a million packages.
const STANDARD_ERRORS: f64 = 6.0;

/// How a package's type rounds single values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest of a float type: exact to foresee.
    Float(TensorType),
    /// In blocks with scales: foreseen within a bound.
    Blocks(TensorType),
}

impl Rounding {
    /// Of ggml's type.
    pub fn of(kind: TensorType) -> Self {
        match kind {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => Self::Float(kind),
            _ => Self::Blocks(kind),
        }
    }

    /// The type.
    pub fn kind(self) -> TensorType {
        match self {
            Self::Float(kind) | Self::Blocks(kind) => kind,
        }
    }

    /// A value as the type holds it; as it is where that depends on its block.
    pub(super) fn apply(self, value: f32) -> f32 {
        match self {
            Self::Float(TensorType::F16) => f16::from_f32(value).to_f32(),
            Self::Float(TensorType::BF16) => bf16::from_f32(value).to_f32(),
            _ => value,
        }
    }

    /// Largest root mean square error, relative to the values': about three times what the type leaves
    /// of normally distributed weights. Floats are compared after rounding, where only the last place
    /// can differ.
    fn largest_error(self) -> f64 {
        match self.kind().name {
            "F32" => 1e-5,
            "F16" | "BF16" => 2e-3,
            "Q8_0" => 0.02,
            "Q6_K" => 0.06,
            "Q5_0" | "Q5_1" | "Q5_K" => 0.12,
            "Q4_0" | "Q4_1" | "Q4_K" => 0.25,
            "Q3_K" => 0.45,
            _ => 0.7,
        }
    }
}

/// Least share of positions with the same likeliest token, and largest mean divergence in nats, for a
/// package whose coarsest matrices have this type. Both are wide: what rounding costs depends on the
/// model, and wrong weights and settings are found with far more power by the other proofs.
fn answers_bounds(coarsest: TensorType) -> (f64, f64) {
    match coarsest.name {
        "F32" | "F16" | "BF16" => (0.95, 0.02),
        "Q8_0" => (0.9, 0.05),
        "Q6_K" => (0.85, 0.1),
        "Q5_0" | "Q5_1" | "Q5_K" => (0.75, 0.3),
        "Q4_0" | "Q4_1" | "Q4_K" => (0.6, 0.6),
        "Q3_K" => (0.4, 1.5),
        _ => (0.2, 3.0),
    }
}

/// The mean divergence, in nats, below which nothing follows from other likeliest tokens. By Pinsker's
/// inequality no event's probability then differs by more than √(0.02 / 2) = 0.1 on the mean: the tokens
/// were nearly as likely. So it is with models whose distributions are flat, as those of random weights.
fn close_distributions(divergence: f64) -> f64 {
    (divergence / 20.0).min(0.02)
}

impl Behaviour {
    /// Checks that a package whose coarsest matrices have this type answers enough like what was served.
    ///
    /// # Errors
    /// [`Error::Disproven`] with the figures; figures that are no numbers are beyond every bound.
    pub fn hold_to(&self, coarsest: TensorType) -> Result<()> {
        let (agreement, divergence) = answers_bounds(coarsest);
        let is_close = self.mean_kl <= close_distributions(divergence);
        let agrees = self.top1_agreement >= if is_close { 0.0 } else { agreement };
        if self.mean_kl <= divergence && agrees {
            return Ok(());
        }
        Err(Error::Disproven(format!(
            "its answers diverge by {:.3} nats a token from what was served and find the same \
             likeliest token at {:.1} % of positions, where {coarsest} may cost {divergence} nats and \
             must agree at {:.0} %",
            self.mean_kl,
            100.0 * self.top1_agreement,
            100.0 * agreement
        )))
    }
}

/// The figures against their bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is where it should be.
    Proven,
    /// It is, but this the user should know.
    Warning(String),
    /// It is not, and this is the worst of it.
    Disproven(String),
}

impl WeightsProof {
    /// The worst of all modules.
    pub fn verdict(&self) -> Verdict {
        let wrong: Vec<&ModuleProof> = self.modules.iter().filter(|m| is_wrong(m)).collect();
        if let Some(first) = wrong.first() {
            let others = match wrong.len() {
                1 => String::new(),
                n => format!(" (and {} more modules)", n - 1),
            };
            return Verdict::Disproven(format!("{}{others}", describe(first)));
        }
        if let Some(total) = self.total.filter(|total| !carries(total)) {
            return Verdict::Disproven(format!("the package {}", share(&total)));
        }
        match self.total {
            Some(total) if total.possible < 1.0 - SHARE_TOLERANCE => Verdict::Warning(format!(
                "only {:.0} % of the adapters' change is larger than the rounding steps of the type \
                 written; f32, f16 or a block type would keep more of it",
                100.0 * total.possible
            )),
            _ => Verdict::Proven,
        }
    }
}

fn is_wrong(module: &ModuleProof) -> bool {
    let close = module.relative_error <= module.rounding.largest_error();
    // A figure that is no number is close to nothing.
    !close || module.carried.is_some_and(|carried| !carries(&carried))
}

fn carries(carried: &Carried) -> bool {
    let off = (carried.share - carried.possible).abs();
    off <= SHARE_TOLERANCE + STANDARD_ERRORS * carried.error
}

fn describe(module: &ModuleProof) -> String {
    let name = &module.module;
    match &module.carried {
        Some(carried) if !carries(carried) => format!("`{name}` {}", share(carried)),
        _ => format!(
            "the values of `{name}` are off by {:.2} % where {} allows {:.2} %",
            100.0 * module.relative_error,
            module.rounding.kind(),
            100.0 * module.rounding.largest_error()
        ),
    }
}

fn share(carried: &Carried) -> String {
    format!(
        "carries {:.1} % (± {:.1}) of the adapters' change where {:.1} % are due",
        100.0 * carried.share,
        100.0 * carried.error,
        100.0 * carried.possible
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behaviour(top1_agreement: f64, mean_kl: f64) -> Behaviour {
        let (positions, greedy_tokens, greedy_same) = (100, 10, 10);
        let max_kl = mean_kl;
        Behaviour { positions, top1_agreement, mean_kl, max_kl, greedy_tokens, greedy_same }
    }

    #[test]
    fn answers_are_held_to_both_figures_and_no_number_passes() {
        let q4 = TensorType::from_name("Q4_K").unwrap();
        behaviour(0.9, 0.01).hold_to(q4).unwrap();
        behaviour(0.5, 0.01).hold_to(q4).unwrap();
        for (top1, kl) in [(0.9, 0.7), (0.5, 0.1), (f64::NAN, 0.0), (1.0, f64::NAN)] {
            let why = behaviour(top1, kl).hold_to(q4).unwrap_err().to_string();
            assert!(why.contains("nats a token") && !why.contains("  "), "{why}");
        }
        behaviour(0.9, 0.01).hold_to(TensorType::F32).unwrap_err();
    }

    #[test]
    fn weights_that_are_no_numbers_are_disproven() {
        let module = |relative_error, share| ModuleProof {
            module: "m".into(),
            rounding: Rounding::of(TensorType::F16),
            carried: Some(Carried { share, error: 0.0, possible: 1.0 }),
            relative_error,
        };
        let verdict = |module| WeightsProof { modules: vec![module], total: None }.verdict();
        assert_eq!(verdict(module(1e-4, 1.0)), Verdict::Proven);
        for (error, share) in [(f64::NAN, 1.0), (f64::INFINITY, 1.0), (1e-4, f64::NAN)] {
            assert!(matches!(verdict(module(error, share)), Verdict::Disproven(_)));
        }
    }
}
