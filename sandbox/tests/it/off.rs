//! Without walls: limits and a clean environment hold all the same, and each job has an interpreter
//! of its own.

use std::sync::OnceLock;
use std::time::Duration;

use sandbox::{End, Job, Limits, Outcome, Program, Protection, Python, Sandbox, Strictness};

use crate::support::{Way, limits, text};

fn off() -> &'static Sandbox {
    static OFF: OnceLock<Sandbox> = OnceLock::new();
    OFF.get_or_init(|| Sandbox::new(Strictness::Off).unwrap())
}

fn python() -> &'static Python {
    static PYTHON: OnceLock<Python> = OnceLock::new();
    PYTHON.get_or_init(|| off().python(None, "import math").unwrap())
}

fn run(source: &str, stdin: &[u8], limits: &Limits) -> Outcome {
    python().run(&Job { source, stdin, ..Job::default() }, limits).unwrap()
}

#[test]
fn what_was_not_asked_for_is_told_as_missing() {
    let protections = off().protections();
    assert!(!protections.is_complete());
    for protection in [Protection::UserNamespace, Protection::Landlock, Protection::Seccomp] {
        assert!(!protections.has(protection));
        assert!(protections.missing.iter().any(|one| one.protection == protection));
    }
    assert!(protections.has(Protection::Limits) && protections.has(Protection::CleanEnvironment));
}

#[test]
fn jobs_end_as_in_the_fork_server() {
    for source in [
        "print(int(input()) + 1)",
        "import sys\nsys.exit(3)",
        "x = (\n",
        "print('a')\n1 / 0",
        "open('f', 'w').write('b')\nprint(open('f').read(), __name__, open(__file__).read()[:4])",
        "n = 0\ndef f():\n  global n\n  n += 1\n  f()\ntry: f()\nexcept RecursionError: print(n)",
        "class Out:\n  file = open(1, 'w')\nOut.file.write('left open')",
        "import atexit, threading\natexit.register(print, 'bye')\nthreading.Thread(target=print, args=('b',)).start()",
        "import os\nprint(sorted(set(os.environ) - {'LC_CTYPE'}))",
    ] {
        let (alone, server) =
            (run(source, b"1\n", &limits()), Way::Server.run(source, b"1\n", &limits()));
        assert_eq!(alone.end, server.end, "{source}\n{}", text(&alone.stderr));
        assert_eq!(text(&alone.stdout), text(&server.stdout), "{source}");
        assert_eq!(last(&alone), last(&server), "{source}");
    }
}

/// The last line on standard error.
fn last(outcome: &Outcome) -> String {
    text(&outcome.stderr).trim().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_harness_and_files_are_there() {
    let harness = "import os\nos.write(result_fd, (source + open('data').read()).encode())";
    let files = vec![("data".to_owned(), b"two".to_vec())];
    let job = Job { source: "one ", harness: Some(harness), stdin: b"", files };
    let outcome = python().run(&job, &limits()).unwrap();
    assert_eq!(text(&outcome.result), "one two", "{}", text(&outcome.stderr));
}

#[test]
fn limits_hold() {
    let limits =
        Limits { cpu: Duration::from_millis(500), wall: Duration::from_secs(60), ..limits() };
    assert_eq!(run("while True: pass", b"", &limits).end, End::CpuLimit);
    assert_eq!(run("while True: print('x' * 1000)", b"", &limits).end, End::OutputLimit);
    assert_eq!(run("bytearray(1 << 40)", b"", &limits).end, End::MemoryLimit);
    let short = Limits { wall: Duration::from_millis(700), ..limits };
    let daemon = "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(100)";
    assert_eq!(run(daemon, b"", &short).end, End::WallLimit);
}

#[test]
fn a_program_runs_with_its_input_and_status() {
    let argv = ["sh", "-c", "read x; echo $x $HOME; exit 4"].map(str::to_owned).to_vec();
    let program = Program { argv, stdin: b"given\n", ..Program::default() };
    let outcome = off().run(&program, &limits()).unwrap();
    assert_eq!((outcome.end, text(&outcome.stdout).as_str()), (End::Exited(4), "given\n"));
}
