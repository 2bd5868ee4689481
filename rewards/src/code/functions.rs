//! HumanEval's, MBPP's and own records to [`CodeProblem`], and the program that a reply to one of them
//! makes. Their tests are Python that runs in the solution's own process, as the benchmarks have it.

use serde_json::Value;

use super::extract::{Extraction, after_thinking, has_fence};
use super::livecodebench::is_identifier;
use super::problem::{CodeProblem, Kind, Test, Tests};
use super::settings::CodeSettings;
use crate::{Failure, fields};

/// Reads a HumanEval record: `task_id`, `prompt` (a function's head and docstring), `entry_point`,
/// `test` (a program that defines `check(candidate)`).
pub fn read_humaneval(record: &Value) -> Result<CodeProblem, Failure> {
    let read = || {
        let name = text(record, "entry_point")?;
        if !is_identifier(&name) {
            return Err(format!("`entry_point` is `{name}`, which names no function"));
        }
        let test = format!("{}\n\ncheck({name})\n", text(record, "test")?);
        Ok(CodeProblem {
            starter_code: text(record, "prompt")?,
            tests: Tests::Plain(vec![Test { input: test, output: String::new() }]),
            ..blank(record, Some(name))
        })
    };
    read().map_err(|reason: String| failure("HumanEval", record, &reason))
}

/// Reads an MBPP record, of the full set (with `test_setup_code`) or the sanitized one (with
/// `test_imports`): `test_list`, each of whose assertions is a test, and `code`, a solution, for the
/// function's name.
pub fn read_mbpp(record: &Value) -> Result<CodeProblem, Failure> {
    let read = || {
        let list = strings(record, "test_list")?;
        let setup = match record.get("test_imports") {
            Some(_) => strings(record, "test_imports")?.join("\n"),
            None => text(record, "test_setup_code").unwrap_or_default(),
        };
        let name = function_under_test(&text(record, "code").unwrap_or_default(), &list);
        Ok(CodeProblem { tests: python_tests(&setup, &list), ..blank(record, name) })
    };
    read().map_err(|reason: String| failure("MBPP", record, &reason))
}

/// Reads a record of the user's own, whose fields `settings` name.
pub fn read_own(record: &Value, settings: &CodeSettings) -> Result<CodeProblem, Failure> {
    let lines = |field: &Option<String>| match field {
        Some(field) => fields::texts(record, field).map(|lines| lines.join("\n")),
        None => Ok(String::new()),
    };
    let tests = fields::texts(record, settings.tests.as_deref().unwrap_or("tests"))?;
    let name = settings.function.as_ref().map(|field| {
        let name = fields::text(record, field)?;
        let refused = || fields::refuse(field, "a function's name", &name.as_str().into());
        if is_identifier(&name) { Ok(name) } else { Err(refused()) }
    });
    Ok(CodeProblem {
        starter_code: lines(&settings.starter)?,
        tests: python_tests(&lines(&settings.setup)?, &tests),
        ..blank(record, name.transpose()?)
    })
}

/// A test for each of the texts, after `setup`.
fn python_tests(setup: &str, texts: &[String]) -> Tests {
    let test = |text| Test { input: format!("{setup}\n{text}\n"), output: String::new() };
    Tests::Plain(texts.iter().map(test).collect())
}

fn failure(benchmark: &str, record: &Value, reason: &str) -> Failure {
    let whose = match identifier(record) {
        id if id.is_empty() => format!("a record of {benchmark}'s format"),
        id => format!("{benchmark} problem {id}"),
    };
    Failure::Problem(format!("{whose}: {reason}"))
}

/// `task_id`, a string in one benchmark and a number in the other; empty where there is none.
fn identifier(record: &Value) -> String {
    match record.get("task_id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => String::new(),
    }
}

fn blank(record: &Value, func_name: Option<String>) -> CodeProblem {
    CodeProblem {
        id: identifier(record),
        starter_code: String::new(),
        func_name,
        kind: Kind::Python,
        tests: Tests::Plain(Vec::new()),
    }
}

fn text(record: &Value, field: &str) -> Result<String, String> {
    let text = present(record, field)?.as_str().map(str::to_owned);
    text.ok_or_else(|| format!("`{field}` is not a string"))
}

fn strings(record: &Value, field: &str) -> Result<Vec<String>, String> {
    let list = present(record, field)?.as_array().and_then(|list| {
        list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    list.ok_or_else(|| format!("`{field}` is not a list of strings"))
}

fn present<'r>(record: &'r Value, field: &str) -> Result<&'r Value, String> {
    record.get(field).ok_or_else(|| {
        format!("`{field}` is missing; records of your own have format = \"python\" and tests = \"FIELD\"")
    })
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

    fn tests_of(problem: &CodeProblem) -> &[Test] {
        match &problem.tests {
            Tests::Plain(tests) => tests,
            Tests::Packed { .. } => panic!("packed"),
        }
    }

    #[test]
    fn a_humaneval_record_is_one_test() {
        let problem = humaneval();
        let tests = tests_of(&problem);
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
        assert_eq!(tests_of(&problem)[0].input, "k = 1\nassert area(1, k) == 1\n");
        let mut sanitized = full;
        sanitized["test_imports"] = json!(["import math", "import re"]);
        let problem = read_mbpp(&sanitized).unwrap();
        assert!(tests_of(&problem)[1].input.starts_with("import math\nimport re\n"));
        sanitized["test_list"] = json!(["assert area(1, 1) == 1"]);
        assert_eq!(tests_of(&read_mbpp(&sanitized).unwrap()).len(), 1, "as many as there are");
        sanitized["test_list"] = json!([7]);
        let error = read_mbpp(&sanitized).unwrap_err().to_string();
        assert_eq!(error, "MBPP problem 11: `test_list` is not a list of strings");
        let error = read_mbpp(&json!({"checks": []})).unwrap_err().to_string();
        assert!(error.starts_with("a record of MBPP's format: `test_list` is missing;"), "{error}");
    }

    #[test]
    fn own_records_have_the_fields_that_the_settings_name() {
        let named = |field: &str| Some(field.to_owned());
        let own = CodeSettings::of(super::super::settings::Format::Python);
        let record = json!({"tests": "assert twice(2) == 4"});
        assert_eq!(
            tests_of(&read_own(&record, &own).unwrap())[0].input,
            "\nassert twice(2) == 4\n"
        );
        let own = CodeSettings {
            tests: named("checks"),
            setup: named("imports"),
            function: named("meta.name"),
            starter: named("head"),
            ..own
        };
        let record = json!({
            "checks": ["assert f(1) == 1", "assert f(2) == 2"], "imports": ["import math", "k = 1"],
            "meta": {"name": "f"}, "head": "def f(n):\n",
        });
        let problem = read_own(&record, &own).unwrap();
        assert_eq!(tests_of(&problem)[1].input, "import math\nk = 1\nassert f(2) == 2\n");
        assert_eq!(
            (problem.func_name.as_deref(), &*problem.starter_code),
            (Some("f"), "def f(n):\n")
        );
        let error = read_own(&json!({"tests": "x"}), &own).unwrap_err().to_string();
        assert_eq!(error, "the row has no field `checks`; it has: tests");
        let mut bad = record;
        bad["meta"]["name"] = json!("f(");
        let error = read_own(&bad, &own).unwrap_err().to_string();
        assert_eq!(error, "the field `meta.name` should be a function's name, found \"f(\"");
    }
}
