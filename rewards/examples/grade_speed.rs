//! Tests a second of the verdict `real`: a trivial program on trivial tests, a fresh sandboxed
//! process for each test.
//!
//! usage: `grade_speed [SOLUTIONS] [THREADS] [TESTS]`
//!
//! Prints one line of JSON: tests, seconds, tests a second, and what grows if anything leaks (this
//! process's memory and open files, the processes below it), before and after.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rewards::code::real::{Status, judge};
use rewards::code::{Checker, CodeProblem, CodeSettings, Extraction, Format, Kind, Test, Tests};
use rewards::{Failure, Resources};
use sandbox::Strictness;
use serde_json::{Value, json};

const PROGRAM: &str = "a, b = map(int, input().split())\nprint(a + b)\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = |place, default| -> Result<usize, std::num::ParseIntError> {
        std::env::args().nth(place).map_or(Ok(default), |word| word.parse())
    };
    let (solutions, threads, tests) = (number(1, 200)?, number(2, 2)?, number(3, 20)?);
    let settings = CodeSettings {
        format: Format::LiveCodeBench,
        extraction: Extraction::Robust,
        timeout: 6,
        memory: 1024,
        all_tests: false,
    };
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
        title: "sum".into(),
        statement: String::new(),
        starter_code: String::new(),
        func_name: None,
        kind: Kind::Stdin,
        tests: Tests::Plain((0..tests).map(test).collect()),
        platform: None,
        difficulty: None,
        contest_date: None,
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
    let tests = problem.load_tests()?;
    let work = || {
        while take().is_ok() {
            let results = judge(checker, problem, &tests, PROGRAM)?;
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

/// Resident KiB, open files and processes below this one, as Linux tells them.
fn footprint() -> Value {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let files = fs_err::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    json!({"resident_kib": resident, "files": files, "processes": descendants(std::process::id())})
}

fn descendants(process: u32) -> usize {
    let tasks = fs_err::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists: Vec<String> = tasks
        .filter_map(|task| fs_err::read_to_string(task.path().join("children")).ok())
        .collect();
    let children = lists.iter().flat_map(|list| list.split_whitespace());
    children.filter_map(|child| child.parse().ok()).map(|child| 1 + descendants(child)).sum()
}
