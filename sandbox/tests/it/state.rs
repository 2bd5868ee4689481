//! Nothing of a job is there for the next one.

use sandbox::{End, Job, Protection};

use crate::support::{limits, python, sandbox, text};

/// Runs one job that leaves something and then many that look for it, in all idle servers.
fn leaves_nothing(leave: &str, look: &str) {
    let run = |source| python().run(&Job { source, ..Job::default() }, &limits()).unwrap();
    for _ in 0..3 {
        let outcome = run(leave);
        assert_eq!(outcome.end, End::Exited(0), "{leave}\n{}", text(&outcome.stderr));
        for _ in 0..3 {
            let outcome = run(look);
            assert_eq!(text(&outcome.stdout), "nothing\n", "{look}\n{}", text(&outcome.stderr));
        }
    }
}

#[test]
fn files_go() {
    leaves_nothing(
        "import os\nfor d in ('.', '/tmp', '/dev/shm'): open(d + '/left' + str(len(d)), 'w').write('x')\nos.chmod('.', 0o777)",
        "import os\nprint('nothing' if os.listdir('/tmp') == ['main.py'] and os.stat('.').st_mode & 0o777 == 0o700 else os.listdir('/tmp'))",
    );
    leaves_nothing(
        "import os\ntry: os.setxattr('/tmp', 'user.left', b'x')\nexcept OSError: pass",
        "import os\nprint('nothing' if not os.listxattr('/tmp') else 'left')",
    );
}

#[test]
fn modules_and_names_go() {
    leaves_nothing(
        "import math, sys, builtins, heapq\nmath.left = 1\nsys.left = 1\nbuiltins.left = 1\nheapq.heappush = None\nleft = 1\nsys.setrecursionlimit(99)",
        "import math, sys, heapq\nheapq.heappush([], 1)\n\
         print('left' if hasattr(math, 'left') or hasattr(sys, 'left') or 'left' in globals() or sys.getrecursionlimit() < 1000 else 'nothing')\n\
         try: left\nexcept NameError: pass\nelse: print('a name')",
    );
}

#[test]
fn the_source_and_input_of_another_job_are_nowhere_in_memory() {
    let secret: String = ["se", "cr", "et"].concat().repeat(3);
    let source = format!("left = '{secret}'\nprint(input())");
    let job = Job { source: &source, stdin: secret.as_bytes(), ..Job::default() };
    // The word is put together, so that the search does not find itself.
    let look = "import re\nword = b'secret'[:3] + b'retsecretsec' + b'ret'\nword = word[3:] + word[:3]\n\
                needle = [b'se' + b'cretsec', b'retsecret']\nfound = 0\n\
                with open('/proc/self/mem', 'rb', 0) as memory:\n  for line in open('/proc/self/maps'):\n    \
                span = re.match('([0-9a-f]+)-([0-9a-f]+) r', line)\n    if not span: continue\n    \
                a, b = (int(x, 16) for x in span.groups())\n    try:\n      memory.seek(a)\n      data = memory.read(b - a)\n    \
                except (OSError, ValueError, OverflowError): continue\n    \
                found += len(re.findall(b'(?:sec' + b'ret){3}', data))\n    del data\nprint('nothing' if not found else found)";
    // One server, which therefore runs both.
    let python = sandbox().python(None, "").unwrap();
    let found = |source: &str| python.run(&Job { source, ..Job::default() }, &limits()).unwrap();
    let own = found(&format!("left = '{secret}'\n{look}"));
    assert!(text(&own.stdout).trim().parse::<u32>().is_ok(), "the search finds what is there");
    for _ in 0..3 {
        python.run(&job, &limits()).unwrap();
        let outcome = found(look);
        assert_eq!(text(&outcome.stdout), "nothing\n", "{}", text(&outcome.stderr));
    }
}

#[test]
fn two_jobs_at_a_time_do_not_see_each_other() {
    let source = "import os, time\nbegin = time.monotonic_ns()\nopen('here', 'w').close()\ntime.sleep(0.3)\n\
                  print(sorted(os.listdir('.')), [p for p in os.listdir('/proc') if p.isdigit() and int(p) not in (os.getpid(), 1)])\n\
                  print(begin, time.monotonic_ns())";
    let run = || {
        let outcome = python().run(&Job { source, ..Job::default() }, &limits()).unwrap();
        let said = text(&outcome.stdout);
        let (seen, times) = said.split_once('\n').unwrap_or_default();
        assert_eq!(seen, "['here', 'main.py'] []", "{}", text(&outcome.stderr));
        let (begin, end) = times.trim().split_once(' ').unwrap();
        [begin, end].map(|time| time.parse::<u64>().unwrap())
    };
    // On a busy machine one may be over before the other begins.
    let met = (0..100).any(|_| {
        std::thread::scope(|scope| {
            let both = [scope.spawn(run), scope.spawn(run)];
            let [one, other] = both.map(|thread| thread.join().unwrap());
            one[0].max(other[0]) < one[1].min(other[1])
        })
    });
    assert!(met, "no two jobs ran at a time");
}

#[test]
fn what_the_server_told_of_a_job_is_not_in_the_next_ones_memory() {
    leaves_nothing(
        "pass",
        "import sys\nframe = sys._getframe()\nwhile frame and 'SPACE' not in frame.f_globals: frame = frame.f_back\n\
         ours = frame.f_globals if frame else {}\n\
         print(ours['WORDS'][ours['STATUS'] : ours['WORD'] + 1].tolist() if ours and \
         any(ours['WORDS'][ours['STATUS'] : ours['WORD'] + 1]) else 'nothing')",
    );
}

#[test]
fn every_job_is_told_what_the_compiler_says_once() {
    let warns = "print(1 is 1)";
    let fails = "1 is 1\nreturn";
    for (source, harness) in [(warns, None), (warns, Some(warns)), (fails, None)] {
        for _ in 0..3 {
            let outcome =
                python().run(&Job { source, harness, ..Job::default() }, &limits()).unwrap();
            let stderr = text(&outcome.stderr);
            assert_eq!(stderr.matches("SyntaxWarning").count(), 1, "{source}: {stderr}");
            assert_eq!(stderr.contains("SyntaxError"), source == fails, "{stderr}");
        }
    }
}

#[test]
fn a_job_that_cannot_be_set_up_is_no_verdict_on_its_program() {
    if !sandbox().protections().has(Protection::PrivateRoot) {
        eprintln!("without a root of its own a job's folder has no size to exceed");
        return;
    }
    let large = ("data".to_owned(), vec![b'x'; 1 << 20]);
    let job = Job { source: "print('never')", files: vec![large], ..Job::default() };
    let narrow = sandbox::Limits { disk: 64 << 10, ..limits() };
    let error = python().run(&job, &narrow).unwrap_err().to_string();
    assert!(error.contains("could not set a job up") && error.contains("space"), "{error}");
    let next = python().run(&Job { source: "print('well')", ..Job::default() }, &limits()).unwrap();
    assert_eq!(text(&next.stdout), "well\n");
}

#[test]
fn a_program_that_was_compiled_before_runs_as_at_first() {
    let bare = "def f(n): return n + 1\nprint(f(int(input())), __name__, __file__[-7:])";
    let harness =
        "exec(compile(source, 'solution.py', 'exec'))\nimport os\nos.write(result_fd, b'told')";
    for (source, harness) in
        [(bare, None), (bare, Some(harness)), ("x = (\n", None), ("print(input())\n1 / 0", None)]
    {
        let job = |stdin| Job { source, harness, stdin, ..Job::default() };
        let run = |stdin| python().run(&job(stdin), &limits()).unwrap();
        let all = [b"1\n", b"1\n", b"1\n"].map(|stdin| run(stdin));
        for outcome in &all[1..] {
            assert_eq!(outcome.end, all[0].end);
            assert_eq!(text(&outcome.stdout), text(&all[0].stdout));
            assert_eq!(text(&outcome.stderr), text(&all[0].stderr));
            assert_eq!(outcome.result, all[0].result);
        }
    }
    // The same text as a program and as a harness is not the same code.
    let twice = "print('source' in globals())";
    let as_program = Job { source: twice, ..Job::default() };
    let as_harness = Job { source: "", harness: Some(twice), ..Job::default() };
    for _ in 0..2 {
        let said = |job| text(&python().run(job, &limits()).unwrap().stdout);
        assert_eq!((said(&as_program), said(&as_harness)), ("False\n".into(), "True\n".into()));
    }
}
