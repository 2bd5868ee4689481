//! What a run is given: problems, conditions on them, and answers that someone else has made.

use std::collections::HashMap;

use eval::{Answers, Status};
use serde_json::json;

use crate::server::Server;
use crate::sums::{SUITE, Sums, adds, run, samples};

#[test]
fn given_completions_are_graded_without_a_server() {
    let sums = Sums::new(3);
    let path = sums.path("answers.jsonl");
    let lines = [
        json!({"problem_id": "p0", "completion": "0", "arm": "old"}),
        json!({"problem_id": "p0", "completion": "1", "arm": "old"}),
        json!({"problem_id": "p1", "completion": "3", "arm": "new"}),
        json!({"problem_id": "p2", "completion": "6", "arm": "new", "finish": "length"}),
    ];
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    fs_err::write(&path, text.join("\n")).unwrap();
    let mut settings = sums.settings("http://127.0.0.1:1");
    settings.answers = Answers::File(path.clone());
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.total), (4, 4));
    let grades: HashMap<(String, String, usize), f64> = samples(&settings.output)
        .into_iter()
        .map(|sample| {
            let Status::Graded { grade, .. } = sample.status else { panic!() };
            ((sample.arm, sample.problem, sample.index), grade.measures["exact"])
        })
        .collect();
    let of = |arm: &str, problem: &str, index| grades[&(arm.into(), problem.into(), index)];
    assert_eq!([of("old", "p0", 0), of("old", "p0", 1)], [1.0, 0.0]);
    assert_eq!([of("new", "p1", 0), of("new", "p2", 0)], [1.0, 1.0]);
    let text = fs_err::read_to_string(settings.output.join("run.json")).unwrap();
    assert!(text.contains("\"given\": true"), "{text}");
    eval::report::write(&settings.output, Default::default()).unwrap();
    let page = fs_err::read_to_string(settings.output.join("report.md")).unwrap();
    assert!(page.contains("given in a file") && !page.contains("temperature"), "{page}");

    settings.output = sums.path("limited");
    settings.selection.limit = Some(1);
    let ended = run(&settings).unwrap();
    assert_eq!((ended.graded, ended.total), (2, 2), "answers to the others are left out");
    fs_err::write(&path, "{\"problem_id\": \"p9\", \"completion\": \"\"}").unwrap();
    settings.output = sums.path("other");
    assert!(run(&settings).unwrap_err().to_string().contains("not in the data, such as `p9`"));
}

#[test]
fn given_answers_are_none_to_a_suite_by_log_probabilities() {
    let sums = Sums::new(2);
    let path = sums.path("answers.jsonl");
    fs_err::write(&path, json!({"problem_id": 1, "completion": "x"}).to_string()).unwrap();
    let mut settings = sums.settings("http://127.0.0.1:1");
    settings.answers = Answers::File(path);
    for suite in ["ultrafeedback", "example-choice"] {
        settings.suite = suite.to_owned();
        let error = run(&settings).unwrap_err();
        assert!(matches!(error, eval::Error::Setting(_)), "{error}");
        assert!(error.to_string().contains("goes by log-probabilities, which given"), "{error}");
        assert!(!settings.output.exists(), "nothing is left behind");
    }
}

#[test]
fn what_a_condition_names_may_be_absent_from_some_records() {
    let (sums, server) = (Sums::new(0), Server::start(adds));
    let mut settings = sums.settings(&server.url);
    let data = sums.path("some.jsonl");
    let record = |name: &str, size: serde_json::Value| json!({"name": name, "a": 1, "b": 1, "answer": 2, "size": size});
    let mut without = record("z", json!(null));
    without.as_object_mut().unwrap().remove("size");
    let lines = [without, record("y", json!(null)), record("x", json!("small"))];
    fs_err::write(&data, lines.map(|line| line.to_string()).join("\n")).unwrap();
    settings.selection.data = vec![data];
    settings.selection.wanted = vec![("size".to_owned(), "small".to_owned())];
    assert_eq!(run(&settings).unwrap().graded, 4);
    assert!(samples(&settings.output).iter().all(|sample| sample.problem == "x"));
    settings.selection.wanted.push(("sice".to_owned(), "small".to_owned()));
    let error = run(&settings).unwrap_err();
    assert!(matches!(&error, eval::Error::Setting(said) if said.contains("`sice`")), "{error}");
}

#[test]
fn nothing_is_read_past_the_limit() {
    let (sums, server) = (Sums::new(2), Server::start(adds));
    let mut settings = sums.settings(&server.url);
    let data = sums.path("broken.jsonl");
    let good = json!({"name": "x", "a": 1, "b": 2, "answer": 3, "size": "s"}).to_string();
    fs_err::write(&data, format!("{good}\nnonsense")).unwrap();
    settings.selection.data = vec![data, sums.path("absent.jsonl")];
    settings.selection.limit = Some(1);
    assert_eq!(run(&settings).unwrap().graded, 4);
}

#[test]
fn data_that_cannot_be_used_is_named() {
    let (sums, server) = (Sums::new(2), Server::start(adds));
    let says = |data: &str| {
        let path = sums.path("data.jsonl");
        fs_err::write(&path, data).unwrap();
        let mut settings = sums.settings(&server.url);
        settings.selection.data = vec![path];
        run(&settings).unwrap_err().to_string()
    };
    let good = r#"{"name": "x", "a": 1, "b": 2, "answer": 3, "size": "s"}"#;
    assert!(says("").contains("it has no records"));
    let mut settings = sums.settings(&server.url);
    settings.selection.limit = Some(0);
    assert!(run(&settings).unwrap_err().to_string().contains("the limit is 0 problems"));
    settings.selection.limit = None;
    let suite = SUITE.replace("id = \"name\"", "id = \"name\"\nsplits = { late = [5, 9] }");
    fs_err::write(sums.path("suite.toml"), suite).unwrap();
    settings.selection.split = Some("late".to_owned());
    let said = run(&settings).unwrap_err().to_string();
    assert!(
        said.contains("it has 2 records, but the split `late` begins after record 5"),
        "{said}"
    );
    assert!(says(&format!("{good}\nnonsense")).contains("data.jsonl"));
    assert!(says("[1]").contains("data.jsonl"));
    assert!(says(&format!("{good}\n{good}")).contains("problems 1 and 2 are both named `x`"));
    assert!(says(r#"{"name": "x", "a": 1, "answer": 3}"#).contains("names `{b}`"));
    assert!(says(r#"{"name": "x", "a": 1, "b": 2}"#).contains("no field `answer`"));
}
