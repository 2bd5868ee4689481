//! Attacks on memory, disk and output, and on the limits themselves.

use sandbox::{End, Limits, Protection};

use crate::support::{attack, limits, sandbox, text};

fn small() -> Limits {
    Limits { memory: 256 << 20, ..limits() }
}

#[test]
fn memory_is_bounded_however_it_is_taken() {
    for source in [
        "bytearray(1 << 40)",
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        "x = [0]\nwhile True: x += x",
        "'a' * (1 << 36)",
    ] {
        for outcome in attack(source, &small()) {
            assert_eq!(outcome.end, End::MemoryLimit, "{source}\n{}", text(&outcome.stderr));
        }
    }
    let source = "import mmap\nx = []\nwhile True:\n  m = mmap.mmap(-1, 1 << 24)\n  m.write(b'x' * (1 << 24))\n  x.append(m)";
    for outcome in attack(source, &small()) {
        assert!(matches!(outcome.end, End::MemoryLimit | End::Exited(1)), "{:?}", outcome.end);
        assert!(
            outcome.peak_memory.is_none_or(|peak| peak < 300 << 20),
            "{:?}",
            outcome.peak_memory
        );
    }
}

#[test]
fn a_tree_of_processes_has_no_more_memory_than_one() {
    let source = "import os, time\nfor _ in range(8):\n  if os.fork() == 0:\n    \
                  x = b'x' * (150 << 20)\n    time.sleep(20)\ntime.sleep(20)";
    for outcome in attack(source, &small()) {
        assert_eq!(outcome.end, End::MemoryLimit, "{}", text(&outcome.stderr));
    }
    let source = "import mmap, os, time\nfor _ in range(8):\n  if os.fork() == 0:\n    \
                  m = mmap.mmap(-1, 100 << 20)\n    for at in range(0, 100 << 20, 4096): m[at] = 1\n    \
                  time.sleep(20)\ntime.sleep(20)";
    for outcome in attack(source, &small()) {
        assert_eq!(outcome.end, End::MemoryLimit, "{}", text(&outcome.stderr));
    }
}

/// Shared memory that no process has resident: in no process's account, yet there.
#[test]
fn memory_that_nobody_has_resident_is_bounded() {
    let source = "
import mmap, os, time
def hold():
    kept = mmap.mmap(-1, 100 << 20)
    for at in range(0, 100 << 20, 1 << 20):
        kept[at : at + (1 << 20)] = b'x' * (1 << 20)
        kept.madvise(mmap.MADV_DONTNEED, at, 1 << 20)
    time.sleep(20)
for _ in range(8):
    if os.fork() == 0:
        hold()
time.sleep(20)
";
    let narrow = Limits { memory: 192 << 20, disk: 1 << 20, ..limits() };
    for outcome in attack(source, &narrow) {
        assert_eq!(outcome.end, End::MemoryLimit, "{}", text(&outcome.stderr));
    }
}

/// What the system ends for memory is whoever has most of it resident: here the fork server, or the
/// supervisor. It is the program's end all the same, and no failure of ours.
#[test]
fn memory_that_no_account_shows_is_bounded_by_a_group() {
    if !sandbox().protections().has(Protection::ControlGroup) {
        eprintln!("not tested here, no control groups");
        return;
    }
    let source = "
import mmap
kept = []
while True:
    kept.append(mmap.mmap(-1, 32 << 20))
    for at in range(0, 32 << 20, 1 << 20):
        kept[-1][at : at + (1 << 20)] = b'x' * (1 << 20)
        kept[-1].madvise(mmap.MADV_DONTNEED, at, 1 << 20)
    kept[-1].resize(4096)
";
    let narrow = Limits { memory: 192 << 20, disk: 1 << 20, ..limits() };
    for outcome in attack(source, &narrow) {
        assert_eq!(outcome.end, End::MemoryLimit, "{}", text(&outcome.stderr));
    }
}

#[test]
fn disk_is_bounded_by_size_and_number() {
    for folder in [".", "/tmp", "/dev/shm"] {
        let one = format!(
            "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n\
             try:\n  with open('{folder}/big', 'wb') as f:\n    \
             while True: f.write(bytes(1 << 20))\nexcept OSError as e: print(e.errno)"
        );
        for outcome in attack(&one, &limits()) {
            assert!(["28\n", "27\n"].contains(&text(&outcome.stdout).as_str()), "{outcome:?}");
        }
        let many = format!(
            "import os\nn = 0\ntry:\n  for n in range(1 << 20): open('{folder}/%d' % n, 'wb').close()\n\
             except OSError as e: print(e.errno, n <= 64)"
        );
        for outcome in attack(&many, &limits()) {
            assert_eq!(text(&outcome.stdout), "28 True\n", "{}", text(&outcome.stderr));
        }
    }
    let several = "t = 0\ntry:\n  for n in range(20):\n    with open(str(n), 'wb', 0) as f: t += f.write(bytes(1 << 20))\n\
                   except OSError as e: print(e.errno, t <= 8 << 20)";
    for outcome in attack(several, &limits()) {
        assert_eq!(text(&outcome.stdout), "28 True\n", "{}", text(&outcome.stderr));
    }
}

#[test]
fn deep_folders_long_names_and_locked_ones_are_cleared_away() {
    for source in [
        "import os\ntry:\n  while True:\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\nexcept OSError: pass",
        "import os\nos.mkdir('d')\nopen('d/f', 'w').close()\nos.chmod('d', 0)\nos.chmod('.', 0)",
        "import os\nos.symlink('loop', 'loop')\nos.mkfifo('pipe')\nos.symlink('/', 'root')",
    ] {
        for outcome in attack(source, &limits()) {
            assert_eq!(outcome.end, End::Exited(0), "{source}\n{}", text(&outcome.stderr));
        }
    }
}

#[test]
fn output_is_bounded_and_so_is_our_memory() {
    let before = peak_memory();
    for source in [
        "while True: print('x' * 1000)",
        "import os\nwhile True: os.write(1, b'x' * 65536)",
        "import os\nwhile True: os.write(2, b'x' * 65536)",
        "import sys\nsys.stderr.write('y' * (1 << 26))",
        "print('z' * (1 << 26), end='')",
        "import os\nwhile True:\n  for fd in (1, 2): os.write(fd, b'\\0')",
    ] {
        for outcome in attack(source, &limits()) {
            assert_eq!(outcome.end, End::OutputLimit, "{source}");
            assert_eq!(outcome.stdout.len().max(outcome.stderr.len()), 1 << 20, "{source}");
        }
    }
    assert!(peak_memory() - before < 200 << 20, "{before} {}", peak_memory());
}

/// The largest resident memory of the test itself.
fn peak_memory() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn limits_cannot_be_raised() {
    let source = "
import os, resource, sys
def refused(what, *arguments):
    try: what(*arguments)
    except (OSError, ValueError) as error: print(type(error).__name__)
for limit in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE,
              resource.RLIMIT_NPROC, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK):
    refused(resource.setrlimit, limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
refused(os.nice, -20)
refused(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))
refused(open, '/proc/self/oom_score_adj', 'w')
";
    for outcome in attack(source, &limits()) {
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        assert_eq!(text(&outcome.stdout).lines().count(), 10, "{}", text(&outcome.stdout));
    }
}

#[test]
fn a_crash_leaves_no_core_and_is_told() {
    let source = "import ctypes\nctypes.string_at(0)";
    for outcome in attack(source, &limits()) {
        assert_eq!(outcome.end, End::Signalled(11));
    }
    let source = "import os\nos.abort()";
    for outcome in attack(source, &limits()) {
        assert_eq!(outcome.end, End::Signalled(6));
    }
}

#[test]
fn huge_arguments_and_open_files_are_refused() {
    let source = "import os\ntry: os.execv('/bin/true', ['x' * (1 << 24)])\nexcept OSError as e: print(e.errno)\n\
                  f = []\ntry:\n  while True: f.append(os.open('/dev/null', 0))\nexcept OSError as e: print(e.errno)";
    for outcome in attack(source, &limits()) {
        assert_eq!(text(&outcome.stdout), "7\n24\n", "{}", text(&outcome.stderr));
    }
}
