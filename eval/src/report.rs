//! From the folder of an evaluation to what a reader looks at: `results.json`, `report.md` and
//! `report.html`, a pure function of `run.json`, `problems.jsonl` and `samples.jsonl`; the comparison of
//! two folders; and the judgement of results for CI. Leaves out running and grading.

mod arms;
mod bound;
mod charts;
mod clip;
mod compare;
mod embed;
mod error;
mod evidence;
mod groups;
mod html;
mod markdown;
mod method;
mod notes;
mod numbers;
mod part;
mod rates;
mod results;
mod sample_text;
mod svg;
mod table;
mod tables;
mod tally;
mod terminal;
mod text;

pub use bound::{Bound, Judgement, missing};
pub use compare::{Comparison, compare};
pub use error::Error;
pub use part::Part;
pub use results::{
    Agreement, ArmLengthControlled, ArmSummary, Cut, Difference, Estimate, Group, Rate, Results,
    Spread, Test, TestName,
};

use std::path::Path;

use evidence::Evidence;

use crate::statistics::Draws;

/// How a report is made. The defaults are part of what makes reports comparable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How much is drawn for intervals and tests.
    pub draws: Draws,
    /// About how large `report.html` may become, in bytes: samples are embedded up to it.
    pub page_bytes: usize,
}

impl Default for Options {
    /// 10,000 draws from a fixed seed, a page below 8 MB.
    fn default() -> Self {
        Self { draws: Draws { seed: 0, replicates: 10_000 }, page_bytes: 8_000_000 }
    }
}

/// The results of the evaluation in `dir`, without writing anything.
///
/// # Errors
/// [`Error`] where a file is missing or is not what it should be.
pub fn results(dir: &Path, options: Options) -> Result<Results, Error> {
    let evidence = Evidence::read(dir)?;
    Ok(rates::results(&evidence, options.draws))
}

/// The results of a part of the evaluation in `dir`, without writing anything.
///
/// # Errors
/// [`Error::Part`] where there is no such part; other [`Error`]s as for the whole.
pub fn part_results(dir: &Path, part: &Part, options: Options) -> Result<Results, Error> {
    let whole = Evidence::read(dir)?;
    let problems = whole.problems.len();
    let evidence = part.of(whole)?;
    let mut results = rates::results(&evidence, options.draws);
    let note = format!("A part of the evaluation: {} of {problems} problems.", results.problems);
    results.notes.insert(0, note);
    Ok(results)
}

/// Makes `results.json`, `report.md` and `report.html` in `dir`, each written whole.
///
/// # Errors
/// [`Error`] where a file is missing, is not what it should be, or cannot be written.
pub fn write(dir: &Path, options: Options) -> Result<Results, Error> {
    let evidence = Evidence::read(dir)?;
    let place = &evidence.place;
    let results = rates::results(&evidence, options.draws);
    let mut json = serde_json::to_vec_pretty(&results).map_err(std::io::Error::from)?;
    json.push(b'\n');
    formats::whole::write_file(&place.results(), &json)?;
    formats::whole::write_file(&place.markdown(), markdown::report(&results).as_bytes())?;
    let page = html::page(&results, &evidence, options.page_bytes)?;
    formats::whole::write_file(&place.page(), page.as_bytes())?;
    Ok(results)
}
