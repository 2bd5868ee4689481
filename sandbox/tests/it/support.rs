//! What the tests share: one sandbox, one fork server, and short ways to run things.

use std::sync::OnceLock;
use std::time::Duration;

use sandbox::{Interpreter, Job, Limits, Outcome, Program, Python, Sandbox, Strictness};

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
                let Interpreter { executable, readable } = python().interpreter().clone();
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
