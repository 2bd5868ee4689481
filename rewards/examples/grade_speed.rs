//! Tests a second of the verdict `real`: a trivial program on trivial tests, a fresh sandboxed
//! process for each test.
//!
//! usage: `grade_speed [SOLUTIONS] [THREADS] [TESTS]`
//!
//! Prints one line of JSON: tests, seconds, tests a second, and what grows if anything leaks (this
//! process's memory and open files, the processes below it), before and after.

mod footprint;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use footprint::footprint;
use rewards::code::real::{Status, judge};
use rewards::code::{Checker, CodeProblem, CodeSettings, Format, Kind, Test, Tests};
use rewards::{Failure, Resources};
use sandbox::Strictness;
use serde_json::json;

const PROGRAM: &str = "a, b = map(int, input().split())\nprint(a + b)\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = |place, default| -> Result<usize, std::num::ParseIntError> {
        std::env::args().nth(place).map_or(Ok(default), |word| word.parse())
    };
    let (solutions, threads, tests) = (number(1, 200)?, number(2, 2)?, number(3, 20)?);
    let settings = CodeSettings::of(Format::LiveCodeBench);
    let resources = Resources { strictness: Strictness::BestEffort, ..Resources::default() };
    let checker = Checker::build(&settings, &resources)?;
    let problem = problem(tests);
    grade(&checker, &problem, 2 * threads, threads)?;
    let before = footprint();
    let begun = Instant::now();
    grade(&checker, &problem, solutions, threads)?;
    let seconds = begun.elapsed().as_secs_f64();
    let line = json!({
        "solutions": solutions, "threads": threads, "tests": solutions * tests,
        "seconds": seconds, "tests_per_second": (solutions * tests) as f64 / seconds,
        "before": before, "after": footprint(), "protections": checker.protections()["active"],
    });
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn problem(tests: usize) -> CodeProblem {
    let test = |n: usize| Test { input: format!("{n} 2\n"), output: format!("{}\n", n + 2) };
    CodeProblem {
        id: "sum".into(),
        starter_code: String::new(),
        func_name: None,
        kind: Kind::Stdin,
        tests: Tests::Plain((0..tests).map(test).collect()),
    }
}

/// Grades the program so many times; a grade that is not a pass is an error.
fn grade(
    checker: &Checker,
    problem: &CodeProblem,
    solutions: usize,
    threads: usize,
) -> Result<(), Failure> {
    let left = AtomicUsize::new(solutions);
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    let Tests::Plain(tests) = &problem.tests else { return Ok(()) };
    let work = || {
        while take().is_ok() {
            let results = judge(checker, problem, tests, PROGRAM)?;
            if let Some(bad) = results.iter().find(|r| r.status != Status::Accepted) {
                return Err(Failure::Grader(format!("{:?}: {}", bad.status, bad.reason)));
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err(Failure::Grader("a worker panicked".into())))
        })
    })
}
