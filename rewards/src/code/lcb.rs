//! The verdict of LiveCodeBench's own checker, by a harness of our own (`python/lcb.py`) in a
//! sandboxed child: one interpreter for all tests, expected outputs inside it, the same codes.
//!
//! What is not as there: what a solution does to the machine (its files, processes, network) stays in
//! the sandbox and so may fail; memory is bounded ([`MEMORY`]); a solution that writes to our private
//! channel in place of the harness is believed. A child that dies or runs out of the global time has
//! the results `[-2]` and the code -5, as there: the checker itself cannot tell them apart.

use std::time::Duration;

use sandbox::{End, Job, Limits};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::harness;
use super::problem::{CodeProblem, Kind, Test};
use super::settings::{Checker, broken};
use crate::Failure;

/// Address space of the child. The official checker sets no bound and speaks of 4 GB.
pub const MEMORY: u64 = 4 << 30;

/// Most bytes of a report beside its results, and of one result.
const REPORT: usize = 4096;
const RESULT: usize = 64;

/// What the official checker says of a solution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LcbVerdict {
    /// One result a test up to the first that fails: 1 for a pass, 0 for a wrong value, -2 for a
    /// wrong output, -3 for a timeout, -4 for an error; another number where a solution's value
    /// compares to that.
    pub results: Vec<f64>,
    /// -2 wrong, -3 timeout, -4 error, -5 no report; none for a pass.
    pub code: Option<i32>,
    /// How a child ended that reported nothing: `global timeout`, `died`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl LcbVerdict {
    /// Whether it counts as solved: every result is above zero. Of no results, all are.
    pub fn passes(&self) -> bool {
        self.results.iter().all(|&result| result > 0.0)
    }

    fn silent(cause: &str) -> Self {
        Self { results: vec![-2.0], code: Some(-5), cause: Some(cause.to_owned()) }
    }
}

/// What the harness reports.
#[derive(Deserialize)]
struct Report {
    results: Vec<Option<Mark>>,
    code: Option<i32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Mark {
    Bool(bool),
    Number(f64),
}

/// Judges `program`, with `timeout` seconds a test.
///
/// # Errors
/// [`Failure`] when the sandbox fails or the problem's tests are none the official checker knows.
pub fn judge(
    checker: &Checker,
    problem: &CodeProblem,
    tests: &[Test],
    program: &str,
) -> Result<LcbVerdict, Failure> {
    let (Kind::Stdin | Kind::Functional, Some(python)) = (problem.kind, &checker.lcb) else {
        let reason = "LiveCodeBench's rules are for its own problems alone";
        return Err(Failure::Problem(reason.to_owned()));
    };
    let timeout = checker.settings.timeout;
    let input = json!({
        "name": problem.func_name,
        "inputs": tests.iter().map(|test| &test.input).collect::<Vec<_>>(),
        "outputs": tests.iter().map(|test| &test.output).collect::<Vec<_>>(),
        "limit": timeout,
    })
    .to_string();
    let job = Job {
        source: program,
        harness: Some(harness::LCB),
        stdin: input.as_bytes(),
        ..Job::default()
    };
    let outcome = python.run(&job, &limits(timeout, tests.len())).map_err(broken)?;
    let report = read_report(&outcome.result, tests.len());
    Ok(report.unwrap_or_else(|| match outcome.end {
        End::WallLimit | End::CpuLimit => LcbVerdict::silent("global timeout"),
        _ => LcbVerdict::silent("died"),
    }))
}

/// The harness's report; `None` for what it would not say, which a solution wrote in its place.
fn read_report(result: &[u8], tests: usize) -> Option<LcbVerdict> {
    if result.len() > REPORT + RESULT * tests {
        return None;
    }
    serde_json::from_slice(result).ok().and_then(verdict)
}

/// The global time is the official one: `(timeout + 1) n + 5` seconds. Threads may use more
/// processor time than that, so it has a bound of its own.
fn limits(timeout: u32, tests: usize) -> Limits {
    let tests = u32::try_from(tests).unwrap_or(u32::MAX);
    let wall = Duration::from_secs(u64::from(timeout) + 1) * tests + Duration::from_secs(5);
    Limits { cpu: 4 * wall, wall, memory: MEMORY, output: 256 << 20, ..Limits::default() }
}

/// `None` for a result that is no number: the official checker fails as a whole on it.
fn verdict(report: Report) -> Option<LcbVerdict> {
    let number = |mark: Option<Mark>| match mark? {
        Mark::Bool(true) => Some(1.0),
        Mark::Bool(false) => Some(0.0),
        Mark::Number(number) => Some(number),
    };
    let results = report.results.into_iter().map(number).collect::<Option<Vec<_>>>()?;
    Some(LcbVerdict { results, code: report.code, cause: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_no_longer_than_its_tests_make_it() {
        let report = |results: &str| format!("{{\"results\": [{results}], \"code\": null}}");
        let read = |text: String, tests| read_report(text.as_bytes(), tests);
        assert_eq!(read(report("true, -1.5"), 2).unwrap().results, [1.0, -1.5]);
        assert!(read(report(&format!("{}1", "1,".repeat(1 << 16))), 2).is_none());
    }
}
