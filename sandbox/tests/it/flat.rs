//! Thousands of runs leave processes, open files and memory as they were.

use sandbox::{End, Job, Limits, Program, Sandbox, Strictness};

use crate::support::{limits, text};

/// Processes below this one, its open files, and its resident memory in bytes.
fn measure() -> (usize, usize, u64) {
    let entries = |path: &str| fs_err::read_dir(path).unwrap().count();
    let statm = fs_err::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    (own_descendants(), entries("/proc/self/fd"), pages * 4096)
}

fn own_descendants() -> usize {
    let mut found = vec![std::process::id().to_string()];
    let mut next = 0;
    while next < found.len() {
        for task in std::fs::read_dir(format!("/proc/{}/task", found[next])).into_iter().flatten() {
            let list = std::fs::read_to_string(task.unwrap().path().join("children"));
            found.extend(list.unwrap_or_default().split_ascii_whitespace().map(str::to_owned));
        }
        next += 1;
    }
    found.len() - 1
}

/// Runs in a process of its own, for other tests would be counted with it.
#[test]
fn thousands_of_runs_leave_no_trace() {
    if std::env::var_os("SANDBOX_FLAT").is_none() {
        let own = std::env::current_exe().unwrap();
        let status = std::process::Command::new(own)
            .args(["--exact", "flat::thousands_of_runs_leave_no_trace", "--nocapture"])
            .env("SANDBOX_FLAT", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let runs = std::env::var("SANDBOX_RUNS").map_or(2000, |text| text.parse().unwrap());
    let nothing = measure();
    let sandbox = Sandbox::new(Strictness::BestEffort).unwrap();
    let python = sandbox.python(None, "").unwrap();
    let job = |n: usize| {
        let source =
            ["print(input())", "print(input())\n1 / 0", "import os\nos.fork()\nos._exit(1)"][n % 3];
        let job = Job {
            source,
            harness: n.is_multiple_of(2).then_some("exec(source)"),
            stdin: b"x\n",
            files: Vec::new(),
        };
        let outcome = python.run(&job, &limits()).unwrap();
        let status = [0, 1, 1][n % 3];
        assert_eq!(outcome.end, End::Exited(status), "{n}: {}", text(&outcome.stderr));
    };
    (0..200).for_each(job);
    let before = measure();
    (0..runs).for_each(job);
    let after = measure();
    eprintln!(
        "after 200 runs {before:?}, after {runs} more {after:?} (processes, open files, bytes)"
    );
    assert_eq!((before.0, before.1), (after.0, after.1));
    assert!(after.2 < before.2 + (4 << 20), "{before:?} {after:?}");
    let program = Program { argv: vec!["true".into()], ..Program::default() };
    (0..100).for_each(|_| {
        assert_eq!(sandbox.run(&program, &Limits::default()).unwrap().end, End::Exited(0))
    });
    assert_eq!(measure().0, after.0);
    drop(python);
    let end = measure();
    assert_eq!((end.0, end.1), (nothing.0, nothing.1), "the servers go with their owner");
}
