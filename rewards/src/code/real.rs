//! The verdict of a contest's judge: every test is a process of its own in the sandbox, with the
//! test on its true standard input, and what comes out is compared here, outside. Expected outputs
//! are never in the child (but for Python tests, which are the benchmark's own judge).
//!
//! A program on standard input runs as `python3 main.py` would, without any name imported for it. A
//! method runs as on LeetCode: the usual names are in reach, the recursion limit is high, and its
//! value comes out as JSON.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use sandbox::{End, Job, Outcome};
use serde::{Deserialize, Serialize};

use super::harness;
use super::json::{Json, same};
use super::problem::{CodeProblem, Kind, Test};
use super::settings::{Checker, broken};
use super::tokens::difference;
use crate::Failure;

/// How one test went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Accepted.
    #[serde(rename = "AC")]
    Accepted,
    /// Wrong answer.
    #[serde(rename = "WA")]
    WrongAnswer,
    /// Ended by an exception, a signal or an exit status other than 0.
    #[serde(rename = "RE")]
    RuntimeError,
    /// Out of processor time.
    #[serde(rename = "TLE-cpu")]
    CpuLimit,
    /// Out of time by the clock.
    #[serde(rename = "TLE-wall")]
    WallLimit,
    /// Out of memory.
    #[serde(rename = "MLE")]
    MemoryLimit,
    /// More output than is taken.
    #[serde(rename = "OLE")]
    OutputLimit,
    /// A system call that no solution needs.
    #[serde(rename = "SV")]
    Violation,
}

impl Status {
    /// The verdict of a solution whose first failing test is this one.
    pub fn verdict(self) -> &'static str {
        match self {
            Self::Accepted => "correct",
            Self::WrongAnswer => "wrong answer",
            Self::RuntimeError => "runtime error",
            Self::CpuLimit | Self::WallLimit => "time limit",
            Self::MemoryLimit => "memory limit",
            Self::OutputLimit => "output limit",
            Self::Violation => "violation",
        }
    }
}

/// What one test gave.
#[derive(Clone, Debug, PartialEq)]
pub struct TestResult {
    /// How it went.
    pub status: Status,
    /// Why, where it did not go well, in a few words.
    pub reason: String,
    /// Standard output, or the method's value as JSON.
    pub output: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Processor time in seconds.
    pub cpu: f64,
    /// Time by the clock in seconds.
    pub wall: f64,
}

/// Runs `program` on `tests` in order, up to the first that fails unless the settings ask for all.
///
/// # Errors
/// [`Failure`] when the sandbox fails or a test's expected value is no JSON.
pub fn judge(
    checker: &Checker,
    problem: &CodeProblem,
    tests: &[Test],
    program: &str,
) -> Result<Vec<TestResult>, Failure> {
    let harness = match problem.kind {
        Kind::Stdin => None,
        Kind::Functional => Some(harness::call(problem.func_name.as_deref().unwrap_or_default())),
        Kind::Python => Some(harness::TEST.to_owned()),
    };
    let mut results = Vec::with_capacity(tests.len());
    for test in tests {
        let word = fresh_word();
        let input = match problem.kind {
            Kind::Python => Cow::Owned(format!("{word}\n{}", test.input)),
            Kind::Stdin | Kind::Functional => Cow::Borrowed(test.input.as_str()),
        };
        let job = Job {
            source: program,
            harness: harness.as_deref(),
            stdin: input.as_bytes(),
            ..Job::default()
        };
        let outcome = checker.python(problem.kind).run(&job, &checker.limits()).map_err(broken)?;
        let result = result(problem.kind, test, &word, outcome)?;
        let failed = result.status != Status::Accepted;
        results.push(result);
        if failed && !checker.settings.all_tests {
            break;
        }
    }
    Ok(results)
}

/// Whether the tests of a problem of this kind can be read: looked at before any program runs, so that
/// a broken one is the problem's fault whatever the program does.
///
/// # Errors
/// A sentence on the first that cannot.
pub(super) fn readable(kind: Kind, tests: &[Test]) -> Result<(), String> {
    if kind != Kind::Functional {
        return Ok(());
    }
    tests.iter().try_for_each(|test| {
        let arguments = test.input.split('\n').map(|line| ("an argument", line));
        let mut texts = arguments.chain([("the expected value", test.output.as_str())]);
        texts.try_for_each(|(what, text)| {
            let read = Json::parse(text).map(drop);
            read.map_err(|reason| format!("{what} of a test cannot be read: {reason}"))
        })
    })
}

/// What a harness says when a test program ran through: nobody can say it who has not heard it.
fn fresh_word() -> String {
    let keys = RandomState::new();
    format!("{:016x}{:016x}", keys.hash_one(0), keys.hash_one(1))
}

fn result(kind: Kind, test: &Test, word: &str, outcome: Outcome) -> Result<TestResult, Failure> {
    let (status, reason) = match ended_badly(&outcome) {
        Some(bad) => bad,
        None => compare(kind, test, word, &outcome)?,
    };
    let output = match kind {
        Kind::Stdin => outcome.stdout,
        Kind::Functional | Kind::Python => outcome.result,
    };
    Ok(TestResult {
        status,
        reason,
        output,
        stderr: outcome.stderr,
        cpu: outcome.cpu.as_secs_f64(),
        wall: outcome.wall.as_secs_f64(),
    })
}

/// The status of a program that did not come to its end with exit status 0.
fn ended_badly(outcome: &Outcome) -> Option<(Status, String)> {
    let (status, reason) = match outcome.end {
        End::Exited(0) => return None,
        End::Exited(code) => (Status::RuntimeError, format!("exit status {code}")),
        End::Signalled(signal) => (Status::RuntimeError, format!("signal {signal}")),
        End::CpuLimit => (Status::CpuLimit, "out of processor time".to_owned()),
        End::WallLimit => (Status::WallLimit, "out of time by the clock".to_owned()),
        End::MemoryLimit => (Status::MemoryLimit, "out of memory".to_owned()),
        End::OutputLimit => (Status::OutputLimit, "too much output".to_owned()),
        End::Violation => (Status::Violation, "a forbidden system call".to_owned()),
    };
    Some((status, reason))
}

fn compare(
    kind: Kind,
    test: &Test,
    word: &str,
    outcome: &Outcome,
) -> Result<(Status, String), Failure> {
    let verdict = match kind {
        Kind::Stdin => printed(&outcome.stdout, &test.output),
        Kind::Functional => returned(&outcome.result, &test.output)?,
        Kind::Python => objected(&outcome.result, word),
    };
    Ok(verdict.map_or((Status::Accepted, String::new()), |reason| reason))
}

type Bad = Option<(Status, String)>;

fn wrong(reason: impl Into<String>) -> Bad {
    Some((Status::WrongAnswer, reason.into()))
}

fn printed(stdout: &[u8], expected: &str) -> Bad {
    let difference = difference(stdout, expected.as_bytes())?;
    let at = difference.token + 1;
    match (difference.printed, difference.expected) {
        (None, _) => wrong(format!("the output ends before token {at}")),
        (_, None) => wrong(format!("the output goes on after token {}", at - 1)),
        _ => wrong(format!("token {at} differs")),
    }
}

/// `=` and a JSON value, or `!` and why there is none.
fn returned(result: &[u8], expected: &str) -> Result<Bad, Failure> {
    let expected = Json::parse(expected).map_err(|reason| {
        Failure::Problem(format!("the expected value of a test cannot be read: {reason}"))
    })?;
    // Equal keys, of which the last counts, may make a value longer than what it equals.
    let most = 2 * expected.count() + 64;
    let read = |json| std::str::from_utf8(json).map(|text| Json::parse_within(text, most));
    Ok(match result.split_first() {
        Some((b'=', json)) => match read(json) {
            Ok(Ok(Some(value))) if same(&value, &expected) => None,
            Ok(Ok(_)) => wrong("another value"),
            _ => wrong("a value that is not JSON"),
        },
        Some((b'!', reason)) => wrong(String::from_utf8_lossy(reason)),
        _ => Some((Status::RuntimeError, "ended without returning".to_owned())),
    })
}

/// `=` and the word that this run was given, or `!` and why not.
fn objected(result: &[u8], word: &str) -> Bad {
    match result.split_first() {
        Some((b'=', said)) if said == word.as_bytes() => None,
        Some((b'!', reason)) => wrong(String::from_utf8_lossy(reason)),
        _ => Some((Status::RuntimeError, "ended before its tests".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_far_too_many_parts_is_another_one() {
        let reason = |result: &[u8], expected| returned(result, expected).unwrap();
        assert_eq!(reason(b"=[1, 2]", "[1, 2]"), None);
        assert_eq!(reason(b"={\"1\": 0, \"1\": 2}", "{\"1\": 2}"), None, "the last one counts");
        let long = format!("=[{}0]", "0,".repeat(8 << 20));
        assert_eq!(reason(long.as_bytes(), "[0]"), wrong("another value"));
        assert_eq!(reason(b"=[1", "[1]"), wrong("a value that is not JSON"));
    }

    #[test]
    fn a_broken_test_is_the_problems_fault() {
        let test = |input: &str, output: &str| {
            let test = Test { input: input.to_owned(), output: output.to_owned() };
            readable(Kind::Functional, &[test])
        };
        test("[1, 2]\n\"a\"", "NaN").unwrap();
        let error = test("1\n[2", "3").unwrap_err();
        assert!(error.contains("an argument of a test cannot be read"), "{error}");
        let error = test("1", "yes").unwrap_err();
        assert!(error.contains("the expected value of a test cannot be read"), "{error}");
    }
}
