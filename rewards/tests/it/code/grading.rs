//! The verdict `real`: honest programs pass whatever the official checker says of them, cheats do
//! not, and every end has its own word.

use std::io::Write;
use std::process::{Child, Command};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use rewards::code::{CodeProblem, Format, Tests, grade};
use rewards::{Completion, Failure};
use sandbox::Priority;
use serde_json::{Value, json};

use super::tools::{CHECKER, checker_at, graded, problem, settings};

fn sum() -> CodeProblem {
    problem(None, &[("1 2\n", "3\n"), ("10 20\n", "30\n")])
}

fn rows() -> CodeProblem {
    problem(None, &[("3\n1 2\n3 4\n5 6\n", "3\n7\n11\n"), ("1\n0 0\n", "0\n")])
}

fn add() -> CodeProblem {
    problem(Some("add"), &[("1\n2", "3"), ("10\n-10", "0")])
}

fn method(name: &str, body: &str) -> String {
    format!("class Solution:\n    def {name}(self, *args):\n        {body}\n")
}

/// (problem, program, whether the official rules pass it)
fn assert_honest(problem: &CodeProblem, program: &str, lcb: bool) {
    let grade = graded(problem, program);
    assert_eq!(grade.verdict, "correct", "{program}\n{:#}", grade.detail);
    assert_eq!(grade.measures["real"], 1.0);
    assert_eq!(grade.measures["lcb"], f64::from(u8::from(lcb)), "{program}\n{:#}", grade.detail);
    assert_eq!(grade.detail["differ"], !lcb);
}

#[test]
fn honest_programs_pass() {
    let print = "print(sum(map(int, input().split())))";
    for (program, lcb) in [
        (print.to_owned(), true),
        (format!("{print}\nimport sys\nsys.exit()"), true),
        (format!("if __name__ == \"__main__\":\n    {print}"), true),
        (format!("if __name__ == '__main__':\n    {print}\nx = 1"), false),
        ("import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))".to_owned(), true),
        ("import sys\nfor line in sys.stdin: print(sum(map(int, line.split())))".to_owned(), false),
        ("print(sum(map(int, open(0).read().split())))".to_owned(), false),
        ("import os\nprint(sum(map(int, os.read(0, 99).split())))".to_owned(), false),
        ("x = 0\ndef f(n):\n    global x\n    x += n\nfor n in input().split(): f(int(n))\nprint(x)".to_owned(), false),
        ("import sys\nsys.stdout.buffer.write(b'%d' % sum(map(int, input().split())))".to_owned(), false),
        ("from __future__ import annotations\nprint(sum(map(int, input().split())))".to_owned(), false),
        ("class Solution: pass\nprint(sum(map(int, input().split())))".to_owned(), false),
        ("import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(2**26)\ndef main(): print(sum(map(int, input().split())))\nt = threading.Thread(target=main); t.start(); t.join()".to_owned(), true),
        ("print(*[sum(map(int, input().split()))], sep='\\n', end='')".to_owned(), true),
    ] {
        assert_honest(&sum(), &program, lcb);
    }
}

#[test]
fn a_busy_machine_makes_no_program_late() {
    let checker = checker_at(&settings(Format::LiveCodeBench, 1), Priority::Lowest);
    let processors = std::thread::available_parallelism().unwrap().get();
    let start = |_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let busy: Vec<Child> = (0..processors).map(start).collect();
    let program = "import time\nwhile time.process_time() < 0.03: pass\nprint(sum(map(int, input().split())))";
    let reply = format!("```python\n{program}\n```");
    let grade = grade(&checker, &sum(), &Completion::of(&reply));
    for mut child in busy {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let grade = grade.unwrap();
    let both = [grade.measures["real"], grade.measures["lcb"]];
    assert_eq!(both, [1.0; 2], "{:#}", grade.detail);
}

#[test]
fn every_way_to_read_lines_passes() {
    for (program, lcb) in [
        ("for _ in range(int(input())): print(sum(map(int, input().split())))", true),
        (
            "import sys\nread = sys.stdin.buffer.readline\nfor _ in range(int(read())): print(sum(map(int, read().split())))",
            false,
        ),
        (
            "import sys\nlines = sys.stdin.buffer.readlines()\nfor l in lines[1:]: print(sum(map(int, l.split())))",
            false,
        ),
        (
            "import sys\nn = int(sys.stdin.readline())\nd = list(map(int, sys.stdin.read().split()))\nfor i in range(n): print(d[2 * i] + d[2 * i + 1])",
            false,
        ),
        (
            "from sys import stdin\nnext(stdin)\nfor line in stdin: print(sum(map(int, line.split())))",
            false,
        ),
        (
            "import sys\nit = iter(sys.stdin.read().split())\nfor _ in range(int(next(it))): print(int(next(it)) + int(next(it)))",
            true,
        ),
        (
            "import io, os\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\nfor _ in range(int(input())): print(sum(map(int, input().split())))",
            false,
        ),
        (
            "import fileinput\nlines = list(fileinput.input())\nfor l in lines[1:]: print(sum(map(int, l.split())))",
            true,
        ),
        (
            "input()\ntry:\n    while True: print(sum(map(int, input().split())))\nexcept EOFError: pass",
            true,
        ),
    ] {
        assert_honest(&rows(), program, lcb);
    }
}

#[test]
fn honest_values_pass() {
    let pairs = problem(Some("pairs"), &[("[1, 2, 3]", "[[1, 2], [2, 3]]"), ("[1]", "[]")]);
    assert_honest(&pairs, &method("pairs", "return list(zip(args[0], args[0][1:]))"), false);
    assert_honest(
        &pairs,
        &method("pairs", "return tuple(list(p) for p in pairwise(args[0]))"),
        true,
    );
    assert_honest(&add(), &method("add", "return sum(args)"), true);
    assert_honest(&add(), "def add(a, b): return a + b", true);
    assert_honest(&add(), &method("add", "return float(sum(args))"), true);
    let state = "class Solution:\n    calls = 0\n    def add(self, a, b):\n        Solution.calls += 1\n        return a + b if Solution.calls == 1 else None";
    assert_honest(&add(), state, false);
    let tenth = problem(Some("tenth"), &[("3", "0.3")]);
    assert_honest(&tenth, &method("tenth", "return args[0] * 0.1"), false);
    let odd = problem(Some("odd"), &[("3", "true"), ("4", "false")]);
    assert_honest(&odd, &method("odd", "return args[0] % 2"), true);
    let count = problem(Some("count"), &[("\"aab\"", "{\"a\": 2, \"b\": 1}")]);
    assert_honest(&count, &method("count", "return Counter(args[0])"), true);
    let huge = problem(Some("huge"), &[("30000", &format!("1{}", "0".repeat(30000)))]);
    assert_eq!(graded(&huge, &method("huge", "return 10 ** args[0]")).verdict, "correct");
}

/// (program, what the official rules say)
#[test]
fn cheats_do_not_pass() {
    let eq = "class X(int):\n    def __eq__(self, other): return True\n    def __repr__(self): return '3'\n";
    let walk =
        "import sys\nf = sys._getframe()\nwhile f and 'gt_out' not in f.f_locals: f = f.f_back\n";
    for (problem, program, lcb) in [
        (add(), format!("{eq}{}", method("add", "return X(0)")), 1.0),
        (
            add(),
            format!("import sys\n{}", method("add", "return sys._getframe(1).f_locals['gt_out']")),
            1.0,
        ),
        (sum(), format!("{walk}print(f.f_locals['gt_out'])"), 1.0),
        (sum(), "import os\nos._exit(0)".to_owned(), 0.0),
        (add(), format!("import os\n{}", method("add", "os._exit(0)")), 0.0),
        (add(), format!("import os\nos.write(3, b'=3')\n{}", method("add", "os._exit(0)")), 0.0),
        (
            add(),
            format!(
                "class X:\n    def __eq__(self, other): return True\n{}",
                method("add", "return X()")
            ),
            1.0,
        ),
    ] {
        let grade = graded(&problem, &program);
        assert_eq!(grade.measures["real"], 0.0, "{program}");
        assert_eq!(grade.measures["lcb"], lcb, "{program}\n{:#}", grade.detail);
    }
}

#[test]
fn every_end_has_its_word() {
    for (program, verdict, status) in [
        ("print(4)", "wrong answer", "WA"),
        ("pass", "wrong answer", "WA"),
        ("1 / 0", "runtime error", "RE"),
        ("import sys\nprint(3)\nsys.exit(1)", "runtime error", "RE"),
        ("import os\nos.abort()", "runtime error", "RE"),
        ("def f(: pass", "runtime error", "RE"),
        ("x = bytearray(1 << 40)", "memory limit", "MLE"),
        ("while True: print('x' * 100000)", "output limit", "OLE"),
    ] {
        let grade = graded(&sum(), program);
        assert_eq!(grade.verdict, verdict, "{program}\n{:#}", grade.detail);
        assert_eq!(grade.detail["statuses"][0], status, "{program}");
    }
    // A machine with much else to do may need more than four times as long by the clock.
    assert_eq!(graded(&sum(), "while True: pass").verdict, "time limit");
    let sleeps = graded(&sum(), "import time\ntime.sleep(100)");
    assert_eq!(sleeps.detail["statuses"][0], "TLE-wall");
}

#[test]
fn what_a_reader_would_look_at_is_kept_and_cut() {
    let long = "9 ".repeat(5000);
    let problem = problem(None, &[("1 2\n", "3\n"), (&long, "45000\n"), ("1 1\n", "2\n")]);
    let grade = graded(&problem, "n = input().split()\nprint(int(n[0]) + int(n[1]))");
    assert_eq!(grade.detail["statuses"], serde_json::json!(["AC", "WA"]), "stops at the first");
    let failed = &grade.detail["failed"][0];
    assert_eq!((&failed["test"], &failed["output"]), (&2.into(), &"18\n".into()));
    assert_eq!(failed["reason"], "token 1 differs");
    assert!(failed["input"].as_str().unwrap().len() < 500);
}

#[test]
fn no_program_is_no_answer() {
    let grade_of = |reply: Completion<'_>| grade(&CHECKER, &sum(), &reply).unwrap();
    let none = grade_of(Completion::of("I cannot."));
    assert_eq!((none.verdict.as_str(), none.answer), ("no answer", None));
    assert_eq!((none.measures["real"], none.measures["lcb"]), (0.0, 0.0));
    assert_eq!(none.detail["cpu"].to_string(), "0.0");
    let cut = Completion { finish: Some("length"), ..Completion::of("<think> so") };
    assert_eq!(grade_of(cut).verdict, "truncated");
}

#[test]
fn a_reply_that_only_a_reader_understands_differs() {
    let reply = "```python\nprint(sum(map(int, input().split())))\n```\nIt prints\n```text\n3\n```";
    let grade = grade(&CHECKER, &sum(), &Completion::of(reply)).unwrap();
    assert_eq!((grade.measures["real"], grade.measures["lcb"]), (1.0, 0.0));
}

#[test]
fn a_problem_that_cannot_be_graded_is_no_verdict() {
    let empty = grade(&CHECKER, &problem(None, &[]), &Completion::of("```\nx\n```\n"));
    assert!(matches!(empty, Err(Failure::Problem(_))));
    let broken = problem(Some("add"), &[("1\n2", "three")]);
    let failure = grade(
        &CHECKER,
        &broken,
        &Completion::of(&format!("```\n{}\n```", method("add", "return 3"))),
    );
    let message = failure.unwrap_err().to_string();
    assert!(message.contains("expected value of a test cannot be read"), "{message}");
}

#[test]
fn tests_that_stay_packed_grade_like_others() {
    // Digits that pack badly, so that they are left packed and put into the checker's file.
    let mut state = 1_u32;
    let mut digit = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + (state >> 24) as u8 % 10)
    };
    let noise: String = (0..200_000).map(|_| digit()).collect();
    let test = |n: u32, output: u32| json!({"input": format!("{n}\n{noise}\n"), "output": format!("{output}\n"), "testtype": "stdin"});
    let record = |tests: Value| {
        let text = tests.to_string();
        let mut pickle = b"\x80\x04X".to_vec();
        pickle.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        pickle.extend(text.as_bytes());
        pickle.push(b'.');
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&pickle).unwrap();
        json!({
            "question_id": "own", "starter_code": "", "metadata": "{}", "public_test_cases": "[]",
            "private_test_cases": STANDARD.encode(encoder.finish().unwrap()),
        })
    };
    let problem = CHECKER.problem(&record(json!([test(2, 4), test(5, 10)]))).unwrap();
    assert!(matches!(problem.tests, Tests::Packed { .. }));
    for _ in 0..2 {
        let right = graded(&problem, "print(2 * int(input()))");
        assert_eq!((right.measures["real"], right.measures["lcb"]), (1.0, 1.0));
        let wrong = graded(&problem, "print(4)");
        assert_eq!(wrong.detail["statuses"], json!(["AC", "WA"]));
    }
    // The checker's file, with the outputs that are expected, is open in no child.
    let nosy = "import os, stat\ndef is_file(fd):\n    try: s = os.fstat(fd)\n    except OSError: \
                return False\n    return stat.S_ISREG(s.st_mode) and s.st_nlink == 0 and s.st_size > \
                50000\nfound = [fd for fd in range(1, 4096) if is_file(fd)]\n\
                print(found or 2 * int(input()))";
    assert_eq!(graded(&problem, nosy).verdict, "correct");
    // The same name with other tests is another problem.
    let other = CHECKER.problem(&record(json!([test(2, 5)]))).unwrap();
    assert_eq!(graded(&other, "print(5)").verdict, "correct");
    let broken = CHECKER.problem(&record(json!([test(2, 4), {"input": noise}]))).unwrap();
    let error = grade(&CHECKER, &broken, &Completion::of("```python\n1\n```")).unwrap_err();
    assert!(matches!(&error, Failure::Problem(_)), "{error}");
    assert!(error.to_string().contains("is no list of tests"), "{error}");
}
