//! How a program ends is its own business, told as it was; what it says comes through byte by byte.

use sandbox::{End, Job, Strictness};

use crate::support::{WAYS, attack, limits, python, sandbox, text};

#[test]
fn the_exit_status_is_the_programs_own() {
    for (source, status) in [
        ("pass", 0),
        ("raise SystemExit", 0),
        ("exit()", 0),
        ("quit(4)", 4),
        ("import sys\nsys.exit(3)", 3),
        ("import sys\nsys.exit('sorry')", 1),
        ("import sys\nsys.exit(True)", 1),
        ("raise SystemExit(258)", 2),
        ("1 / 0", 1),
        ("this is no Python", 1),
        ("import os\nos._exit(7)", 7),
        ("import atexit, os\natexit.register(os._exit, 9)", 9),
        ("import threading\nthreading.Thread(target=lambda: 1 / 0).start()", 0),
    ] {
        for way in WAYS {
            let outcome = way.run(source, b"", &limits());
            assert_eq!(outcome.end, End::Exited(status), "{way:?} {source}");
        }
    }
}

#[test]
fn what_was_printed_before_the_end_is_there() {
    for (source, said) in [
        ("print('a', end='')", "a"),
        ("print('a')\nexit()", "a\n"),
        ("print('a')\n1 / 0", "a\n"),
        ("import os\nprint('a')\nos._exit(0)", ""),
        ("import os\nprint('a', flush=True)\nos._exit(0)", "a\n"),
        ("import atexit\natexit.register(print, 'bye')\nprint('a')", "a\nbye\n"),
        (
            "import threading\nsaid = threading.Event()\ndef f():\n  said.wait()\n  print('b')\nthreading.Thread(target=f).start()\nprint('a')\nsaid.set()",
            "a\nb\n",
        ),
        ("class A:\n  def __del__(self): print('gone')\na = A()\nprint('a')", "a\ngone\n"),
        ("import os\nos.write(1, b'raw')", "raw"),
        ("import sys\nsys.stdout.buffer.write(bytes([0, 255, 27, 13]))", "\0\u{fffd}\u{1b}\r"),
    ] {
        for way in WAYS {
            let outcome = way.run(source, b"", &limits());
            assert_eq!(text(&outcome.stdout), said, "{way:?} {source} {}", text(&outcome.stderr));
        }
    }
}

#[test]
fn errors_are_told_on_standard_error_as_python_tells_them() {
    for way in WAYS {
        let outcome = way.run("def f(x):\n    return 1 / x\n\nf(0)\n", b"", &limits());
        let stderr = text(&outcome.stderr);
        assert!(stderr.starts_with("Traceback (most recent call last):\n  File \""), "{stderr}");
        assert!(stderr.contains("main.py\", line 4, in <module>\n    f(0)\n"), "{stderr}");
        assert!(stderr.trim().ends_with("ZeroDivisionError: division by zero"), "{stderr}");
        assert_eq!(stderr.matches("File").count(), 2, "none of our own frames: {stderr}");
        let outcome = way.run("x = (\n", b"", &limits());
        assert!(text(&outcome.stderr).contains("SyntaxError"), "{}", text(&outcome.stderr));
    }
}

#[test]
fn signals_are_told() {
    for outcome in attack("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", &limits()) {
        assert_eq!(outcome.end, End::Signalled(15));
    }
}

#[test]
fn a_harness_hands_over_what_it_likes_and_no_more_than_the_limit() {
    let harness = "\
import json, os
names = {'__name__': 'solution'}
exec(compile(source, 'solution.py', 'exec'), names)
lines = [json.loads(line) for line in __import__('sys').stdin]
os.write(result_fd, json.dumps(names['Solution']().add(*lines)).encode())";
    let source = "class Solution:\n  def add(self, a, b):\n    print('debug')\n    return [a + b]";
    let job = Job { source, harness: Some(harness), stdin: b"2\n3\n", files: Vec::new() };
    let outcome = python().run(&job, &limits()).unwrap();
    assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
    assert_eq!(text(&outcome.result), "[5]");
    assert_eq!(text(&outcome.stdout), "debug\n");
    let flood = "import os\nwhile True: os.write(3, b'x' * 4096)";
    let job = Job { source: flood, harness: Some("exec(source)"), ..Job::default() };
    let outcome = python().run(&job, &limits()).unwrap();
    assert_eq!((outcome.end, outcome.result.len()), (End::OutputLimit, 1 << 20));
}

#[test]
fn files_are_there_and_bad_names_are_refused() {
    let source = "print(open('data.txt').read(), end='')";
    let files = vec![("data.txt".to_owned(), b"given\n".to_vec())];
    let job = Job { source, files, ..Job::default() };
    assert_eq!(text(&python().run(&job, &limits()).unwrap().stdout), "given\n");
    for name in ["", "a/b", "..", "/etc/x", "a\0b"] {
        let job = Job { source, files: vec![(name.to_owned(), Vec::new())], ..Job::default() };
        assert!(python().run(&job, &limits()).is_err(), "{name:?}");
    }
}

#[test]
fn what_stood_is_recorded_by_name() {
    let protections = sandbox().protections();
    let json = serde_json::to_value(protections).unwrap();
    assert_eq!(json["strictness"], "best-effort");
    let active = json["active"].as_array().unwrap();
    assert!(active.contains(&"limits".into()) && active.contains(&"no-new-privileges".into()));
    assert_eq!(protections.strictness, Strictness::BestEffort);
    let back: sandbox::Protections = serde_json::from_value(json).unwrap();
    assert_eq!(&back, protections);
}

#[test]
fn strict_refuses_exactly_where_something_is_missing() {
    let complete = sandbox().protections().is_complete();
    match sandbox::Sandbox::new(Strictness::Strict) {
        Ok(strict) => assert!(complete && strict.protections().is_complete()),
        Err(error) => {
            assert!(!complete, "{error}");
            assert!(error.to_string().contains("--sandbox best-effort"), "{error}");
        }
    }
}

#[test]
fn a_prelude_that_fails_is_told_with_its_reason() {
    let error = sandbox().python(None, "import no_such_module").err().unwrap().to_string();
    assert!(error.contains("No module named 'no_such_module'"), "{error}");
    let error = sandbox().python(Some("/no/such/python".as_ref()), "").err().unwrap().to_string();
    assert!(error.contains("/no/such/python"), "{error}");
}
