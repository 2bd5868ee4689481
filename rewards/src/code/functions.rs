//! HumanEval's and MBPP's records to [`CodeProblem`], and the program that a reply to one of them
//! makes. Their tests are Python that runs in the solution's own process, as the benchmarks have it.

use serde_json::Value;

use super::extract::{Extraction, after_thinking, has_fence};
use super::livecodebench::is_identifier;
use super::problem::{CodeProblem, Kind, Test, Tests};
use crate::Failure;

/// Reads a HumanEval record: `task_id`, `prompt` (a function's head and docstring), `entry_point`,
/// `test` (a program that defines `check(candidate)`).
pub fn read_humaneval(record: &Value) -> Result<CodeProblem, Failure> {
    let read = || {
        let name = text(record, "entry_point")?;
        if !is_identifier(&name) {
            return Err(format!("`entry_point` is `{name}`, which names no function"));
        }
        let test = format!("{}\n\ncheck({name})\n", text(record, "test")?);
        let prompt = text(record, "prompt")?;
        Ok(CodeProblem {
            statement: prompt.clone(),
            starter_code: prompt,
            tests: Tests::Plain(vec![Test { input: test, output: String::new() }]),
            ..blank(record, Some(name))
        })
    };
    read().map_err(|reason: String| failure("HumanEval", record, &reason))
}

/// Reads an MBPP record, of the full set (`text`, `test_setup_code`) or the sanitized one (`prompt`,
/// `test_imports`): `task_id`, `code` (a solution, for the function's name) and `test_list`, each of
/// whose assertions is a test.
pub fn read_mbpp(record: &Value) -> Result<CodeProblem, Failure> {
    let read = || {
        let statement = text(record, "text").or_else(|_| text(record, "prompt"));
        let list = strings(record, "test_list")?;
        let setup = match record.get("test_imports") {
            Some(_) => strings(record, "test_imports")?.join("\n"),
            None => text(record, "test_setup_code").unwrap_or_default(),
        };
        let name = function_under_test(&text(record, "code").unwrap_or_default(), &list);
        let test =
            |assertion| Test { input: format!("{setup}\n{assertion}\n"), output: String::new() };
        Ok(CodeProblem {
            statement: statement.map_err(|_| "neither `text` nor `prompt` is a string")?,
            tests: Tests::Plain(list.iter().map(test).collect()),
            ..blank(record, name)
        })
    };
    read().map_err(|reason: String| failure("MBPP", record, &reason))
}

fn failure(benchmark: &str, record: &Value, reason: &str) -> Failure {
    Failure::Problem(format!("{benchmark} problem {}: {reason}", identifier(record)))
}

/// `task_id`, a string in one benchmark and a number in the other.
fn identifier(record: &Value) -> String {
    match record.get("task_id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => "without `task_id`".to_owned(),
    }
}

fn blank(record: &Value, func_name: Option<String>) -> CodeProblem {
    CodeProblem {
        id: identifier(record),
        title: identifier(record),
        statement: String::new(),
        starter_code: String::new(),
        func_name,
        kind: Kind::Python,
        tests: Tests::Plain(Vec::new()),
        platform: None,
        difficulty: None,
        contest_date: None,
    }
}

fn text(record: &Value, field: &str) -> Result<String, String> {
    let value = record.get(field).and_then(Value::as_str);
    value.map(str::to_owned).ok_or_else(|| format!("`{field}` is not a string"))
}

fn strings(record: &Value, field: &str) -> Result<Vec<String>, String> {
    let list = record.get(field).and_then(Value::as_array);
    let list = list.ok_or_else(|| format!("`{field}` is not a list of strings"))?;
    let strings = list.iter().map(|item| item.as_str().map(str::to_owned));
    strings.collect::<Option<_>>().ok_or_else(|| format!("`{field}` is not a list of strings"))
}

/// The function of a model solution that the first test calls.
fn function_under_test(code: &str, tests: &[String]) -> Option<String> {
    let defined = code.lines().filter_map(|line| line.strip_prefix("def ")?.split('(').next());
    let called = tests.first()?;
    defined.map(str::trim).find(|name| called.contains(&format!("{name}("))).map(str::to_owned)
}

/// The program that `reply` makes for a problem with a function's head (`starter_code`): a reply that
/// defines the function stands for itself, after what comes before the function in the head (its
/// imports, helpers); any other goes on with the head, up to the first line that is not indented.
pub(super) fn program(
    problem: &CodeProblem,
    reply: &str,
    extraction: Extraction,
) -> Option<String> {
    let name = problem.func_name.as_deref();
    let head = &problem.starter_code;
    let (false, Some(name)) = (head.is_empty(), name) else {
        return extraction.extract(reply, name);
    };
    let reply = if extraction == Extraction::Robust { after_thinking(reply)? } else { reply };
    let definition = format!("def {name}(");
    let defined = reply.contains(&definition);
    if !defined && !has_fence(reply) {
        return Some(format!("{head}{}", body(reply)));
    }
    let code = extraction.extract(reply, Some(name))?;
    if !code.contains(&definition) {
        return Some(format!("{head}{code}"));
    }
    let before = head.find(&definition).map_or("", |at| &head[..at]);
    Some(format!("{before}\n{code}"))
}

/// A function's body: up to the first line that starts at the margin.
fn body(reply: &str) -> &str {
    let mut end = 0;
    for line in reply.split_inclusive('\n') {
        let margin = line.starts_with(|c: char| !c.is_whitespace());
        if margin && end > 0 {
            break;
        }
        end += line.len();
    }
    &reply[..end]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn humaneval() -> CodeProblem {
        read_humaneval(&json!({
            "task_id": "Own/0", "entry_point": "twice",
            "prompt": "from typing import List\n\ndef twice(n: int) -> int:\n    \"\"\"Twice.\"\"\"\n",
            "test": "def check(candidate):\n    assert candidate(2) == 4\n",
        }))
        .unwrap()
    }

    #[test]
    fn a_humaneval_record_is_one_test() {
        let problem = humaneval();
        let tests = problem.load_tests().unwrap();
        assert_eq!(tests.len(), 1);
        assert!(tests[0].input.ends_with("\n\ncheck(twice)\n"));
        let error = read_humaneval(&json!({"task_id": "x", "entry_point": "f(g"})).unwrap_err();
        assert!(error.to_string().contains("HumanEval problem x: `entry_point`"), "{error}");
    }

    #[test]
    fn replies_go_on_or_stand_for_themselves() {
        let problem = humaneval();
        let make = |reply: &str| program(&problem, reply, Extraction::Robust).unwrap();
        let went_on = make("    return 2 * n\n\ndef other():\n    pass\n");
        assert_eq!(went_on, format!("{}    return 2 * n\n\n", problem.starter_code));
        let own = make("```python\ndef twice(n):\n    return n + n\n```");
        assert_eq!(own, "from typing import List\n\n\ndef twice(n):\n    return n + n");
        let fenced = make("```python\n    return n * 2\n```");
        assert_eq!(fenced, format!("{}    return n * 2", problem.starter_code));
    }

    #[test]
    fn both_forms_of_mbpp_are_read() {
        let full = json!({
            "task_id": 11, "text": "Write a function.", "test_setup_code": "k = 1",
            "code": "import re\ndef helper(x):\n  pass\ndef area(a, b):\n  return a * b",
            "test_list": ["assert area(1, k) == 1", "assert area(2, 3) == 6"],
        });
        let problem = read_mbpp(&full).unwrap();
        assert_eq!((problem.id.as_str(), problem.func_name.as_deref()), ("11", Some("area")));
        assert_eq!(problem.load_tests().unwrap()[0].input, "k = 1\nassert area(1, k) == 1\n");
        let mut sanitized = full;
        sanitized["prompt"] = json!("Write another.");
        sanitized["text"] = Value::Null;
        sanitized["test_imports"] = json!(["import math", "import re"]);
        let problem = read_mbpp(&sanitized).unwrap();
        assert_eq!(problem.statement, "Write another.");
        assert!(problem.load_tests().unwrap()[1].input.starts_with("import math\nimport re\n"));
        sanitized["test_list"] = json!([7]);
        let error = read_mbpp(&sanitized).unwrap_err().to_string();
        assert_eq!(error, "MBPP problem 11: `test_list` is not a list of strings");
    }
}
