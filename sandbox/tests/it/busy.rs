//! A busy machine: programs yield to everything else where that is asked for, and are not called slow.

use std::process::{Child, Command};
use std::sync::Mutex;
use std::time::Duration;

use sandbox::{End, Job, Limits, Priority, Program, Sandbox, Strictness};

use crate::support::{WAYS, limits, sandbox, text};

/// A loop for each processor of the machine.
struct Busy(Vec<Child>);

impl Busy {
    fn begin() -> Self {
        let loops = std::thread::available_parallelism().unwrap().get();
        let start = |_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        Self((0..loops).map(start).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn yielding() -> Sandbox {
    Sandbox::new(Strictness::BestEffort).unwrap().at(Priority::Lowest)
}

/// Neither test keeps the other waiting.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn who_waits_for_a_processor_is_not_late() {
    let _alone = ALONE.lock();
    let python = yielding().python(None, "").unwrap();
    let _busy = Busy::begin();
    let limits = Limits { wall: Duration::from_secs(1), ..limits() };
    let compute = "import threading, time\ndef f():\n  while time.process_time() < 0.03: pass\n";
    let in_a_thread = "t = threading.Thread(target=f)\nt.start()\nt.join()\n";
    for (source, end) in [
        (format!("{compute}{in_a_thread}"), End::Exited(0)),
        ("import time\ntime.sleep(100)".to_owned(), End::WallLimit),
    ] {
        let job = Job { source: &source, ..Job::default() };
        assert_eq!(python.run(&job, &limits).unwrap().end, end, "{source}");
    }
}

#[test]
fn programs_yield_where_it_is_asked_for() {
    let _alone = ALONE.lock();
    let priority = "import os\nprint(os.getpriority(os.PRIO_PROCESS, 0))";
    let session = "print(open('/proc/self/autogroup').read())";
    let (sandbox, usual) = (yielding(), sandbox());
    for (sandbox, lowest) in [(&sandbox, true), (usual, false)] {
        let python = sandbox.python(None, "").unwrap();
        let program = |source: &str| Program {
            argv: vec![python.interpreter().executable.to_str().unwrap().into(), "main.py".into()],
            files: vec![("main.py".into(), source.into())],
            readable: python.interpreter().readable.clone(),
            ..Program::default()
        };
        let by_server = |source: &str| {
            let outcome = python.run(&Job { source, ..Job::default() }, &limits()).unwrap();
            text(&outcome.stdout)
        };
        let by_itself =
            |source: &str| text(&sandbox.run(&program(source), &limits()).unwrap().stdout);
        assert_eq!(
            [by_server(priority), by_itself(priority)].map(|said| said == "19\n"),
            [lowest; 2]
        );
        let session = by_server(session);
        assert!(session.is_empty() || session.contains("nice 19") == lowest, "{session}");
    }
}

#[test]
fn who_waits_for_its_own_child_is_late() {
    // Its parent stands still in the system until a child of `vfork` ends or starts a program.
    let source = "import ctypes, time\nctypes.PyDLL(None).vfork()\ntime.sleep(1000)";
    let limits = Limits { wall: Duration::from_secs(1), ..limits() };
    for way in WAYS {
        assert_eq!(way.run(source, b"", &limits).end, End::WallLimit, "{way:?}");
    }
}
