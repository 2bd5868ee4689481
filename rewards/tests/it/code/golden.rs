//! Parity with LiveCodeBench's own code: `golden/livecodebench/golden.json`, recorded by `record.py`
//! beside it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rewards::code::lcb::{LcbVerdict, judge};
use rewards::code::{Checker, Extraction, Format, Tests, official};
use serde::Deserialize;
use serde_json::Value;

use super::tools::{checker, problem, settings};

#[derive(Deserialize)]
struct Golden {
    problems: BTreeMap<String, Problem>,
    solutions: Vec<Solution>,
    replies: Vec<Reply>,
}

#[derive(Deserialize)]
struct Problem {
    func_name: Option<String>,
    tests: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Solution {
    name: String,
    problem: String,
    code: String,
    timeout: u32,
    results: Vec<Value>,
    error_code: Option<i32>,
}

#[derive(Deserialize)]
struct Reply {
    reply: String,
    chat: String,
    base: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../golden/livecodebench/golden.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_bool().map_or_else(|| value.as_f64().unwrap(), |passed| f64::from(u8::from(passed)))
}

fn ours(checker: &Checker, golden: &Golden, solution: &Solution) -> LcbVerdict {
    let Problem { func_name, tests } = &golden.problems[&solution.problem];
    let pairs: Vec<(&str, &str)> = tests.iter().map(|(i, o)| (i.as_str(), o.as_str())).collect();
    let problem = problem(func_name.as_deref(), &pairs);
    let Tests::Plain(tests) = &problem.tests else { panic!("{}", solution.problem) };
    judge(checker, &problem, tests, &solution.code).unwrap()
}

/// What is wrong with our verdict on a solution, if anything is.
fn difference(checker: &Checker, golden: &Golden, solution: &Solution) -> Option<String> {
    let verdict = ours(checker, golden, solution);
    let results: Vec<f64> = solution.results.iter().map(number).collect();
    let same = verdict.results == results && verdict.code == solution.error_code;
    let official = (results, solution.error_code);
    (!same).then(|| format!("{}: {verdict:?}, not {official:?}", solution.name))
}

#[test]
fn verdicts_are_the_official_ones() {
    let golden = golden();
    assert!(golden.solutions.len() >= 200);
    let checkers: BTreeMap<u32, Checker> =
        [1, 2].map(|t| (t, checker(&settings(Format::LiveCodeBench, t)))).into();
    let queue = Mutex::new(golden.solutions.iter());
    let work = || {
        let next = || queue.lock().unwrap().next();
        let solutions = std::iter::from_fn(next);
        let told = solutions.filter_map(|s| difference(&checkers[&s.timeout], &golden, s));
        told.collect::<Vec<_>>()
    };
    let differences: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn extraction_is_the_official_one() {
    let golden = golden();
    assert!(golden.replies.len() >= 40);
    for Reply { reply, chat, base } in golden.replies {
        assert_eq!(official(&reply).unwrap_or_default(), chat, "{reply:?}");
        assert_eq!(Extraction::Whole.extract(&reply, None).unwrap_or_default(), base, "{reply:?}");
    }
}
