//! `cargo run --release -p sandbox --example jobs_per_second -- 2 4000`: jobs a second, from so many threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sandbox::{End, Job, Limits, Sandbox, Strictness};

/// What solutions to competitive problems import.
const PRELUDE: &str = "\
import bisect, collections, copy, datetime, functools, heapq, io, itertools, json, math, operator
import random, re, statistics, string, sys, typing";

#[expect(clippy::print_stdout, clippy::expect_used, reason = "a program to look at")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads: usize = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let jobs: usize = arguments.next().map_or(Ok(2000), |text| text.parse())?;
    let sandbox = Sandbox::new(Strictness::BestEffort)?;
    let python = sandbox.python(arguments.next().as_deref().map(std::path::Path::new), PRELUDE)?;
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < jobs {
                    let source = "n = int(input())\nprint(sum(range(n)))";
                    let job = Job { source, stdin: b"10\n", ..Job::default() };
                    let outcome = python.run(&job, &Limits::default()).expect("a sandbox");
                    assert_eq!(
                        (outcome.end, outcome.stdout.as_slice()),
                        (End::Exited(0), &b"45\n"[..])
                    );
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{jobs} jobs from {threads} threads in {seconds:.2} s: {:.0} a second",
        jobs as f64 / seconds
    );
    Ok(())
}
