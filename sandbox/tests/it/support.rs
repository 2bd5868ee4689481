//! What the tests share: one sandbox, one fork server, and short ways to run things.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sandbox::{End, Interpreter, Job, Limits, Outcome, Program, Python, Sandbox, Strictness};

/// What solutions import; small enough to be quick.
const PRELUDE: &str = "import bisect, collections, heapq, itertools, json, math, re, typing";

pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let sandbox = Sandbox::new(Strictness::BestEffort).unwrap();
        for missing in &sandbox.protections().missing {
            eprintln!("not protected by {:?}: {}", missing.protection, missing.why);
        }
        sandbox
    })
}

pub(crate) fn python() -> &'static Python {
    static PYTHON: OnceLock<Python> = OnceLock::new();
    PYTHON.get_or_init(|| sandbox().python(None, PRELUDE).unwrap())
}

/// Small enough for a test to reach them.
pub(crate) fn limits() -> Limits {
    Limits {
        cpu: Duration::from_secs(4),
        wall: Duration::from_secs(8),
        memory: 512 << 20,
        processes: 32,
        output: 1 << 20,
        disk: 8 << 20,
        files: 64,
    }
}

/// A way to run a piece of Python.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// By the fork server.
    Server,
    /// As `python3 main.py`, each time anew.
    Program,
}

pub(crate) const WAYS: [Way; 2] = [Way::Server, Way::Program];

impl Way {
    pub(crate) fn run(self, source: &str, stdin: &[u8], limits: &Limits) -> Outcome {
        match self {
            Self::Server => python().run(&Job { source, stdin, ..Job::default() }, limits).unwrap(),
            Self::Program => {
                let Interpreter { executable, readable, .. } = python().interpreter().clone();
                let program = Program {
                    argv: vec![executable.to_str().unwrap().into(), "main.py".into()],
                    stdin,
                    files: vec![("main.py".into(), source.into())],
                    readable,
                    result_channel: false,
                };
                sandbox().run(&program, limits).unwrap()
            }
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a hostile source both ways. Whatever it did, no process of it is left and the fork server
/// still runs honest jobs.
pub(crate) fn attack(source: &str, limits: &Limits) -> [Outcome; 2] {
    WAYS.map(|way| {
        let mark = mark();
        let marked = format!(
            "import ctypes\nctypes.CDLL(None).prctl(15, b'{mark}')\nMARK = '{mark}'\n{source}"
        );
        let outcome = way.run(&marked, b"", limits);
        assert_eq!(alive(&mark), Vec::<String>::new(), "{way:?} left something of {source}");
        assert!(outcome.stdout.len() as u64 <= limits.output, "{source}");
        assert!(outcome.stderr.len() as u64 <= limits.output, "{source}");
        still_serves();
        outcome
    })
}

fn still_serves() {
    let outcome = Way::Server.run("print(input()[::-1])", b"olleh", &limits());
    assert_eq!((outcome.end, text(&outcome.stdout).as_str()), (End::Exited(0), "hello\n"));
}

/// A name that no other process has.
pub(crate) fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("m{}x{next}", std::process::id())
}

/// The processes of the machine that bear a mark, by name or argument.
pub(crate) fn alive(mark: &str) -> Vec<String> {
    let processes = fs_err::read_dir("/proc").unwrap().flatten();
    let own = std::process::id().to_string();
    processes
        .filter(|entry| entry.file_name() != own.as_str())
        .filter_map(|entry| {
            let read = |file| std::fs::read(entry.path().join(file)).unwrap_or_default();
            let (name, arguments) = (text(&read("comm")), text(&read("cmdline")));
            let marked = name.trim() == mark || arguments.contains(mark);
            marked.then(|| format!("{:?} {name}", entry.file_name()))
        })
        .collect()
}
