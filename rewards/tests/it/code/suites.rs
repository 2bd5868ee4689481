//! The bundled problems: every reference solution passes, every solution named as wrong does not.
//! Both lists are `golden/suites/solutions.json`, written with the problems by `make.py`.

use std::collections::BTreeMap;
use std::path::Path;

use rewards::code::{Checker, Format, grade};
use rewards::{Completion, Grader, Reference, Resources, Settings};
use sandbox::Strictness;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tools::{checker, settings};

#[derive(Deserialize)]
struct Solution {
    id: String,
    right: String,
    wrong: String,
}

fn rows(suite: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../eval-suites").join(suite);
    let text = fs_err::read_to_string(folder.join("problems.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_told_apart(suite: &str, format: Format, fence: bool) {
    let solutions: BTreeMap<String, Vec<Solution>> =
        serde_json::from_str(include_str!("../../golden/suites/solutions.json")).unwrap();
    let checker: Checker = checker(&settings(format, 6));
    let rows = rows(suite);
    assert_eq!(rows.len(), solutions[suite].len());
    for (row, solution) in rows.iter().zip(&solutions[suite]) {
        let problem = checker.problem(row).unwrap();
        assert_eq!(problem.id, solution.id);
        for (program, correct) in [(&solution.right, true), (&solution.wrong, false)] {
            let reply =
                if fence { format!("```python\n{program}\n```") } else { program.to_owned() };
            let grade = grade(&checker, &problem, &Completion::of(&reply)).unwrap();
            let value = f64::from(u8::from(correct));
            for (name, &measured) in &grade.measures {
                assert_eq!(measured, value, "{} {name} {program}\n{:#}", problem.id, grade.detail);
            }
        }
    }
}

#[test]
fn livecodebench() {
    assert_told_apart("livecodebench", Format::LiveCodeBench, true);
}

#[test]
fn humaneval() {
    assert_told_apart("humaneval", Format::HumanEval, false);
}

#[test]
fn mbpp() {
    assert_told_apart("mbpp", Format::Mbpp, false);
}

#[test]
fn a_suite_names_the_grader_of_programs() {
    let settings = json!({"kind": "code", "format": "livecodebench", "timeout": 6});
    let settings: Settings = serde_json::from_value(settings).unwrap();
    let resources = Resources { strictness: Strictness::BestEffort, ..Resources::default() };
    let grader = Grader::build(&settings, &resources).unwrap();
    let names: Vec<String> = grader.measures().into_iter().map(|measure| measure.name).collect();
    assert_eq!(names, ["real", "lcb"]);
    assert!(grader.protections()["active"].is_array());
    let reference = grader.reference(&rows("livecodebench")[0]).unwrap();
    let text = serde_json::to_string(&reference).unwrap();
    assert_eq!(serde_json::from_str::<Reference>(&text).unwrap(), reference);
    let reply = Completion::of("```python\nprint(0)\n```");
    assert_eq!(grader.grade(&reference, &reply).unwrap().verdict, "wrong answer");
}
