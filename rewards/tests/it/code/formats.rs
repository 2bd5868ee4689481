//! HumanEval and MBPP: tests in Python.

use rewards::code::{CodeSettings, Format, grade};
use rewards::{Completion, Grade};
use serde_json::json;

use super::tools::{checker, settings};

fn humaneval(reply: &str) -> Grade {
    let checker = checker(&settings(Format::HumanEval, 2));
    let row = json!({
        "task_id": "Own/0", "entry_point": "twice",
        "prompt": "from typing import List\n\ndef twice(xs: List[int]) -> List[int]:\n    \"\"\"Twice each.\"\"\"\n",
        "test": "def check(candidate):\n    assert candidate([1, 2]) == [2, 4], 'doubles'\n    assert candidate([]) == []\n",
    });
    grade(&checker, &checker.problem(&row).unwrap(), &Completion::of(reply)).unwrap()
}

#[test]
fn humaneval_goes_on_with_the_prompt() {
    let right = humaneval("    return [2 * x for x in xs]\n\nprint(twice([1]))\n");
    assert_eq!((right.verdict.as_str(), right.measures["real"]), ("correct", 1.0));
    assert!(!right.measures.contains_key("lcb"));
    let wrong = humaneval("    return xs\n");
    assert_eq!(wrong.verdict, "wrong answer");
    assert_eq!(wrong.detail["failed"][0]["reason"], "doubles");
    assert_eq!(humaneval("    return undefined\n").verdict, "runtime error");
    assert_eq!(humaneval("    import os; os._exit(0)\n").verdict, "runtime error");
    assert_eq!(humaneval("    while True: pass\n").verdict, "time limit");
    for said in ["b'='", "b'=' + os.read(0, 32)", "b'=' + os.pread(0, 32, 0)"] {
        for channel in ["3", "range(3, 256)"] {
            let forged = format!(
                "    import os\n    for fd in [*({channel},)] if isinstance({channel}, int) else {channel}:\n        \
                 try: os.write(fd, {said})\n        except OSError: pass\n    os._exit(0)\n"
            );
            assert_eq!(humaneval(&forged).verdict, "runtime error", "{forged}");
        }
    }
    let chat = "Sure:\n```python\ndef twice(xs):\n    return [x + x for x in xs]\n```\nDone.";
    assert_eq!(humaneval(chat).verdict, "correct");
}

#[test]
fn mbpp_is_a_test_an_assertion() {
    let checker = checker(&settings(Format::Mbpp, 2));
    let row = json!({
        "task_id": 1, "text": "Add.", "code": "def add(a, b):\n    return a + b",
        "test_setup_code": "one = 1", "test_list": ["assert add(one, 2) == 3", "assert add(2, 2) == 4"],
    });
    let problem = checker.problem(&row).unwrap();
    let graded = |reply: &str| grade(&checker, &problem, &Completion::of(reply)).unwrap();
    let right = graded("```python\ndef add(a, b):\n    return a + b\n```");
    assert_eq!(
        (right.verdict.as_str(), &right.detail["statuses"]),
        ("correct", &json!(["AC", "AC"]))
    );
    let half = graded("def add(a, b):\n    return 3");
    assert_eq!(
        (half.verdict.as_str(), &half.detail["statuses"]),
        ("wrong answer", &json!(["AC", "WA"]))
    );
    assert_eq!(
        graded("```python\ndef plus(a, b):\n    return a + b\n```").verdict,
        "runtime error"
    );
}

#[test]
fn own_records_are_graded_by_the_fields_that_a_suite_names() {
    let named = |field: &str| Some(field.to_owned());
    let settings = CodeSettings {
        tests: named("checks"),
        setup: named("given"),
        ..settings(Format::Python, 2)
    };
    let checker = checker(&settings);
    let row = json!({"given": "three = 3", "checks": ["assert add(1, 2) == three", "assert add(2, 2) == 4"]});
    let problem = checker.problem(&row).unwrap();
    let graded = |body: &str| {
        let reply = format!("```python\ndef add(a, b):\n    return {body}\n```");
        let grade = grade(&checker, &problem, &Completion::of(&reply)).unwrap();
        (grade.verdict, grade.detail["statuses"].clone())
    };
    assert_eq!(graded("a + b"), ("correct".to_owned(), json!(["AC", "AC"])));
    assert_eq!(graded("3"), ("wrong answer".to_owned(), json!(["AC", "WA"])));
}
