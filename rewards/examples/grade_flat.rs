//! Thousands of gradings by both verdicts, of programs that end in every way, leave memory, open files
//! and processes as they were; an error where they do not.
//!
//! usage: `grade_flat [GRADINGS] [THREADS]`
//!
//! Prints one line of JSON: gradings, seconds, and what would grow, before, after, and once the
//! checker is gone.

mod footprint;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use footprint::{Footprint, footprint};
use rewards::code::{Checker, CodeProblem, CodeSettings, Format, Kind, Test, Tests, grade};
use rewards::{Completion, Failure, Resources};
use sandbox::Strictness;
use serde_json::json;

/// Programs that add two numbers, or do not, with their verdicts.
const QUICK: [(&str, &str); 3] = [
    ("print(sum(map(int, input().split())))", "correct"),
    ("print(0)", "wrong answer"),
    ("1 / 0", "runtime error"),
];
/// Those that leave most to be cleared away; they take longer.
const MESSY: [(&str, &str); 5] = [
    ("import os\nos.kill(os.getpid(), 9)", "runtime error"),
    ("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)", "wrong answer"),
    ("x = bytearray(1 << 40)", "memory limit"),
    ("print('x' * (32 << 20))", "output limit"),
    ("import subprocess\nsubprocess.Popen(['sleep', '1000'])\nprint(3)", "correct"),
];
/// One in so many is messy.
const SOME: usize = 10;
/// As a method.
const METHOD: &str = "class Solution:\n    def add(self, a, b):\n        return a + b";
/// One that is stopped; it takes two seconds by both verdicts, so there are few.
const ENDLESS: (&str, &str) = ("while True: pass", "time limit");
/// One in so many is endless.
const FEW: usize = 2500;
/// Keeps a fork server long enough for every thread to need its own.
const SLOW: &str = "import time\ntime.sleep(0.5)\nprint(3)";
/// Memory that may be held after, in KiB: what the allocator keeps varies by this much.
const SLACK: u64 = 16 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = |place, default| -> Result<usize, std::num::ParseIntError> {
        std::env::args().nth(place).map_or(Ok(default), |word| word.parse())
    };
    let (gradings, threads) = (number(1, 10_000)?, number(2, 2)?);
    let settings = CodeSettings { timeout: 1, ..CodeSettings::of(Format::LiveCodeBench) };
    let resources = Resources { strictness: Strictness::BestEffort, ..Resources::default() };
    let nothing = footprint();
    let checker = Checker::build(&settings, &resources)?;
    let (sum, add) = (problem(None, "1 2\n"), problem(Some("add"), "1\n2"));
    let one = |n: usize| match n % (QUICK.len() + 1) {
        _ if n % FEW == FEW / 2 => graded(&checker, &sum, ENDLESS),
        _ if n % SOME == 0 => graded(&checker, &sum, MESSY[n / SOME % MESSY.len()]),
        place if place < QUICK.len() => graded(&checker, &sum, QUICK[place]),
        _ => graded(&checker, &add, (METHOD, "correct")),
    };
    let slow = METHOD.replace("return", "__import__('time').sleep(0.5); return");
    side_by_side(threads, threads, |_| graded(&checker, &sum, (SLOW, "correct")))?;
    side_by_side(threads, threads, |_| graded(&checker, &add, (&slow, "correct")))?;
    side_by_side(200, threads, one)?;
    let before = footprint();
    let begun = Instant::now();
    side_by_side(gradings, threads, one)?;
    let (seconds, after) = (begun.elapsed().as_secs_f64(), footprint());
    drop(checker);
    let end = footprint();
    let line = json!({
        "gradings": gradings, "threads": threads, "seconds": seconds, "before": before, "after": after,
        "end": end,
    });
    writeln!(std::io::stdout(), "{line}")?;
    flat(&before, &after).and_then(|()| flat(&nothing, &Footprint { resident_kib: 0, ..end }))?;
    Ok(())
}

fn problem(func_name: Option<&str>, input: &str) -> CodeProblem {
    CodeProblem {
        id: "sum".into(),
        starter_code: String::new(),
        func_name: func_name.map(str::to_owned),
        kind: if func_name.is_some() { Kind::Functional } else { Kind::Stdin },
        tests: Tests::Plain(vec![Test { input: input.into(), output: "3".into() }]),
    }
}

/// Grades one program; another verdict than the one it should have is an error.
fn graded(
    checker: &Checker,
    problem: &CodeProblem,
    (program, verdict): (&str, &str),
) -> Result<(), Failure> {
    let reply = format!("```python\n{program}\n```");
    let grade = grade(checker, problem, &Completion::of(&reply))?;
    if grade.verdict == verdict {
        return Ok(());
    }
    Err(Failure::Grader(format!("{program}: {}, not {verdict}: {}", grade.verdict, grade.detail)))
}

/// Does so many pieces of work on so many threads.
fn side_by_side(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        numbers.take_while(|&number| number < count).try_for_each(&work)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err(Failure::Grader("a worker panicked".into())))
        })
    })
}

/// An error where something has grown.
fn flat(before: &Footprint, after: &Footprint) -> Result<(), Failure> {
    let grew = after.files > before.files
        || after.processes > before.processes
        || after.resident_kib > before.resident_kib + SLACK;
    if grew {
        return Err(Failure::Grader(format!("it leaks: {before:?} before, {after:?} after")));
    }
    Ok(())
}
