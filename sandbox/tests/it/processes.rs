//! Attacks with processes, threads, signals and time.

use std::time::Duration;

use sandbox::{End, Limits};

use crate::support::{attack, limits, text};

/// A second by the clock.
fn short() -> Limits {
    Limits { wall: Duration::from_millis(1500), ..limits() }
}

/// Little processor time; a busy machine may take long to give it.
fn busy() -> Limits {
    Limits { cpu: Duration::from_millis(400), wall: Duration::from_secs(60), ..limits() }
}

/// Both ways end so.
fn ends_in_time(source: &str, expected: &[End]) {
    let limits = if expected.contains(&End::CpuLimit) { busy() } else { short() };
    for outcome in attack(source, &limits) {
        assert!(expected.contains(&outcome.end), "{:?}: {source}", outcome.end);
    }
}

#[test]
fn a_fork_bomb_is_bounded_and_leaves_nothing() {
    let bomb = "import os\nn = 0\nwhile True:\n  try:\n    if os.fork() == 0: n = 0\n  except OSError: pass";
    ends_in_time(bomb, &[End::CpuLimit, End::WallLimit, End::MemoryLimit]);
    let count = "import os, signal, time\nn = 0\ntry:\n  while n < 1000:\n    \
                 if os.fork() == 0: signal.pause()\n    n += 1\nexcept OSError as e: print(n, e.errno)";
    for outcome in attack(count, &short()) {
        let said = text(&outcome.stdout);
        let (forks, errno) = said.trim().split_once(' ').expect("a fork fails");
        assert!(forks.parse::<u32>().unwrap() <= limits().processes, "{said}");
        assert_eq!(errno, "11", "EAGAIN");
    }
}

#[test]
fn a_thread_bomb_is_bounded() {
    let bomb = "import threading, time\nn = 0\ntry:\n  while n < 5000:\n    \
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n    n += 1\n\
                except RuntimeError: print(n)";
    for outcome in attack(bomb, &short()) {
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        let threads: u32 = text(&outcome.stdout).trim().parse().unwrap();
        assert!(threads <= limits().processes, "{threads}");
    }
}

#[test]
fn time_is_up_whatever_the_program_does_about_it() {
    ends_in_time("import time\ntime.sleep(100)", &[End::WallLimit]);
    ends_in_time("while True: pass", &[End::CpuLimit]);
    ends_in_time(
        "import signal\nsignal.alarm(0)\nfor s in range(1, 65):\n  try: signal.signal(s, signal.SIG_IGN)\n  \
         except (OSError, ValueError): pass\nwhile True: pass",
        &[End::CpuLimit],
    );
    ends_in_time(
        "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
        &[End::CpuLimit],
    );
    ends_in_time(
        "import atexit\n@atexit.register\ndef more():\n  while True: pass\nraise SystemExit",
        &[End::CpuLimit],
    );
    ends_in_time("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", &[End::WallLimit]);
    ends_in_time(
        "import threading\nfor _ in range(4): threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()",
        &[End::CpuLimit, End::MemoryLimit],
    );
    ends_in_time(
        "x = 9 ** 9 ** 8\nprint(str(x)[:9])",
        &[End::CpuLimit, End::WallLimit, End::MemoryLimit, End::Exited(1)],
    );
}

#[test]
fn limits_below_a_second_hold() {
    let limits = Limits { cpu: Duration::from_millis(300), ..busy() };
    for outcome in attack("while True: pass", &limits) {
        assert_eq!(outcome.end, End::CpuLimit);
        assert!(outcome.cpu >= Duration::from_millis(300), "{:?}", outcome.cpu);
        assert!(outcome.cpu < Duration::from_secs(2), "{:?}", outcome.cpu);
    }
}

#[test]
fn processor_time_of_children_counts() {
    let source = "import os, time\nfor _ in range(3):\n  if os.fork() == 0:\n    \
                  while time.process_time() < 0.25: pass\n    os._exit(0)\nfor _ in range(3): os.wait()";
    for outcome in attack(source, &busy()) {
        assert_eq!(outcome.end, End::CpuLimit, "{:?}", outcome.cpu);
    }
}

#[test]
fn processor_time_of_processes_that_nobody_waits_for_counts() {
    // The system waits in its place, and forgets what they used.
    let ignored = "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n  \
                   if os.fork() == 0:\n    while time.process_time() < 0.2: pass\n    os._exit(0)\n  time.sleep(0.2)";
    // Children of its parent, not its own.
    let siblings = format!(
        "import time\nlibc = ctypes.CDLL(None)\nfor _ in range(3):\n  if libc.syscall({}, 0x8011, 0, 0, 0, 0) == 0:\n    \
         while True: pass\ntime.sleep(100)",
        libc::SYS_clone
    );
    for source in [ignored, &siblings] {
        for outcome in attack(source, &busy()) {
            assert_eq!(outcome.end, End::CpuLimit, "{source}\n{}", text(&outcome.stderr));
            assert!(outcome.cpu >= busy().cpu, "{:?}", outcome.cpu);
        }
    }
}

#[test]
fn an_interrupted_server_does_not_take_its_job_for_ended() {
    let source = "import os, signal, time\nfor _ in range(50):\n  try: os.kill(1, signal.SIGINT)\n  except PermissionError: pass\n  time.sleep(0.002)\nprint('alive')";
    for outcome in attack(source, &limits()) {
        assert_eq!(text(&outcome.stdout), "alive\n", "{}", text(&outcome.stderr));
    }
}

#[test]
fn nothing_survives_its_program() {
    for source in [
        // A daemon: forked twice, in a session of its own, deaf to signals.
        "import os, signal, sys, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork(): os._exit(0)\n  \
         for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n  for fd in range(3): os.close(fd)\n  \
         time.sleep(100)\nos.wait()",
        // Stopped children.
        "import os, signal\nfor _ in range(5):\n  if os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)",
        // A chain that is never the same process.
        "import os, time\nif os.fork() == 0:\n  while True:\n    if os.fork(): os._exit(0)\nos._exit(0)",
        // Another program altogether.
        "import os, time\nif os.fork() == 0: os.execv('/bin/sleep', [MARK, '100'])\ntime.sleep(0.2)",
        // Without any of Python's clean-up.
        "import os, time\nif os.fork() == 0: time.sleep(100)\nos._exit(0)",
    ] {
        for outcome in attack(source, &short()) {
            assert_eq!(outcome.end, End::Exited(0), "{source}\n{}", text(&outcome.stderr));
        }
    }
}

#[test]
fn others_cannot_be_signalled() {
    let source = "import os, signal\nfor pid in (os.getppid(), 1, -1):\n  for s in (9, 15, 19, 2, 11):\n    \
                  try: os.kill(pid, s)\n    except OSError as e: print(e.errno)\nprint('alive')";
    for outcome in attack(source, &short()) {
        // Some are refused and some are sent and not heard; nobody is harmed.
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        assert!(text(&outcome.stdout).ends_with("alive\n"));
    }
    let host = std::process::id();
    let source = format!("import os\nos.kill({host}, 0)");
    for outcome in attack(&source, &short()) {
        assert_eq!(outcome.end, End::Exited(1));
        let stderr = text(&outcome.stderr);
        assert!(
            stderr.contains("ProcessLookupError") || stderr.contains("PermissionError"),
            "{stderr}"
        );
    }
}

#[test]
fn the_servers_limits_and_share_of_the_processor_are_its_own() {
    let source = "
import os, resource
def refused(what, *arguments):
    try: what(*arguments)
    except OSError as error: print(error.errno)
for pid in (1, os.getppid()):
    refused(resource.prlimit, pid, resource.RLIMIT_NOFILE, (0, 0))
    refused(resource.prlimit, pid, resource.RLIMIT_NPROC, (0, 0))
    refused(os.sched_setaffinity, pid, {0})
    refused(os.setpriority, os.PRIO_PROCESS, pid, 19)
";
    for outcome in attack(source, &short()) {
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        assert_eq!(text(&outcome.stdout), "1\n".repeat(8));
    }
}
