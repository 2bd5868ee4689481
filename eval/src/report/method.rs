//! How the numbers of a report were made, in words: intervals, tests, protections, the judge.

use super::numbers::count;
use super::results::Results;
use super::text::{line, name};
use crate::protection;
use crate::record::MeasureKind;

/// Most characters on the protections of all parts.
const PROTECTIONS: usize = 1_200;

/// The whole paragraph.
pub(crate) fn method(results: &Results) -> String {
    [numbers(results), preferences(results), protections(results), judge(results)].concat()
}

fn numbers(results: &Results) -> String {
    format!(
        "Rates are means over problems; pass@k is the unbiased estimator (Chen et al. 2021). Brackets are \
         {:.0} % intervals: Wilson's where each problem is one plain success or failure, else the bootstrap \
         over problems (bias-corrected and accelerated, up to {} draws, seed {}). A count such as 3/9 is of \
         samples that passed, and of problems for pass@k with k samples each. Differences are paired by \
         problem, in points, bold where the interval leaves out 0; where all pairs differ by the same, \
         Wilson's upper end for none of so many says how many other problems may differ otherwise. “better / \
         worse” counts the problems on which the arm's number is above or below the reference's. p is \
         McNemar's exact test where each problem is a plain success or failure, else the permutation of signs \
         over problems (“permuted”). Holm corrects over the values of a group; nothing corrects over measures \
         and arms. “detectable” is the smallest true difference that so many pairs find with 80 % power. \
         The share cut off has Wilson's interval over problems, however many samples each has: it takes the \
         samples of a problem for one.",
        100.0 * results.level,
        count(results.replicates as u64),
        results.seed,
    )
}

fn preferences(results: &Results) -> String {
    let kinds = || results.run.measures.iter().map(|measure| measure.kind);
    match kinds().any(|kind| kind == MeasureKind::Preference) {
        false => String::new(),
        true => " In a rate of preferences a tie is half of one, as AlpacaEval counts it. Its interval is \
                 Wilson's over problems, which ties make wider than need be, never narrower; with several \
                 samples of a problem it is the bootstrap. Against one half, a coin's rate, p is the exact \
                 sign test without the ties (“signs”), and the detectable distance the smallest that so many \
                 problems find with 80 % power."
            .to_owned(),
    }
}

fn protections(results: &Results) -> String {
    match &results.run.protections {
        serde_json::Value::Null => String::new(),
        active => {
            let said = line(&protection::said(active), PROTECTIONS);
            format!(" Programs were graded {said}.")
        }
    }
}

fn judge(results: &Results) -> String {
    let Some(judge) = &results.run.judge else { return String::new() };
    let template = judge.template_digest.as_deref().map_or(String::new(), |digest| {
        let digest = name(&digest[..digest.len().min(12)]);
        format!(", asked in both orders with the template {digest}")
    });
    format!(
        " Answers were judged by {} at {}{template}. The win rate at equal lengths is that of a logistic \
         regression on the difference in characters (after Dubois et al. 2024, without the instruction's \
         difficulty), with its Wald interval, or Wilson's where every verdict is the same.",
        name(&judge.model),
        name(&judge.server)
    )
}
