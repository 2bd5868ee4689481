//! Shares of one evaluation: merged they are the whole, and what does not fit together is told.

use eval::{Error, Sample, Settings, Shard, Status, merge};

use crate::server::{Reply, Server};
use crate::sums::{Sums, adds, results, run, samples};

fn share(settings: &Settings, sums: &Sums, text: &str) -> Settings {
    Settings {
        shard: Some(Shard::parse(text).unwrap()),
        output: sums.path(&text.replace('/', "-")),
        ..settings.clone()
    }
}

#[test]
fn shares_merged_are_the_run() {
    let (sums, server) = (Sums::new(11), Server::start(adds));
    let settings = sums.settings(&server.url);
    run(&settings).unwrap();
    let shares = ["2/3", "1/3", "3/3"].map(|text| share(&settings, &sums, text));
    for share in &shares {
        run(share).unwrap();
    }
    assert_eq!(server.requests().len(), 88, "no sample is asked by two shares");
    let folders = shares.clone().map(|share| share.output);
    let merged = merge(&folders, &sums.path("merged")).unwrap();
    assert_eq!((merged.graded, merged.failed, merged.problems), (44, 0, 11));
    assert_eq!(merged.missing, None);
    assert_eq!(results(&sums.path("merged")), results(&settings.output));
    let problems =
        |name: &str| fs_err::read_to_string(sums.path(name).join("problems.jsonl")).unwrap();
    assert_eq!(problems("merged"), problems("out"), "in the order of the data");

    // A part of it is told as one, and becomes the whole with the rest.
    let merged = merge(&folders[..2], &sums.path("two")).unwrap();
    assert_eq!(merged.missing, Some((vec![3], 3)));
    let run = eval::report::results(&sums.path("two"), Default::default()).unwrap().run;
    assert_eq!(run.shard.as_deref(), Some("1,2/3"));
    merge(&[folders[2].clone(), sums.path("two"), folders[0].clone()], &sums.path("all")).unwrap();
    assert_eq!(results(&sums.path("all")), results(&settings.output));
    let said = merge(&folders, &sums.path("all")).unwrap_err().to_string();
    assert!(said.contains("there is a run.json already"), "{said}");
}

#[test]
fn shares_apart_from_each_other_are_asked_without_those_between() {
    let (sums, server) = (Sums::new(6), Server::start(adds));
    let settings = share(&sums.settings(&server.url), &sums, "3,1/3");
    assert_eq!(run(&settings).unwrap().graded, 16);
    let asked: std::collections::BTreeSet<String> =
        samples(&settings.output).into_iter().map(|sample| sample.problem).collect();
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["p0", "p1", "p4", "p5"]);
    let found = eval::report::results(&settings.output, Default::default()).unwrap();
    assert_eq!((found.run.shard.as_deref(), found.problems), (Some("1,3/3"), 4));
    assert_eq!(run(&settings).unwrap().graded, 16, "and gone on with");
    assert_eq!(server.requests().len(), 16);
}

#[test]
fn all_shares_together_are_no_share() {
    let (sums, server) = (Sums::new(2), Server::start(adds));
    let settings = sums.settings(&server.url);
    let whole = Settings { shard: Shard::parse("1/1").ok(), ..settings.clone() };
    run(&whole).unwrap();
    let found = eval::report::results(&settings.output, Default::default()).unwrap();
    assert_eq!(found.run.shard, None);
    // As older programs wrote it.
    let path = settings.output.join("run.json");
    let mut record: serde_json::Value =
        serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    record["shard"] = "1/1".into();
    fs_err::write(&path, record.to_string()).unwrap();
    for settings in [&settings, &whole] {
        assert_eq!(run(settings).unwrap().graded, 8);
    }
    assert_eq!(server.requests().len(), 8);
}

#[test]
fn lines_that_a_report_reads_are_merged() {
    let (sums, server) = (Sums::new(4), Server::start(adds));
    let settings = sums.settings(&server.url);
    let shares = ["1/2", "2/2"].map(|text| share(&settings, &sums, text));
    for share in &shares {
        run(share).unwrap();
        // Half of a surrogate pair in the texts, as a server that cuts between the two may send it.
        let path = share.output.join("samples.jsonl");
        let text = fs_err::read_to_string(&path).unwrap();
        let text = text.replace("\"completion\":\"", "\"completion\":\"\\ud83d");
        let text = text.replace("\"verdict\"", "\"detail\":\"\\ud83d\",\"verdict\"");
        fs_err::write(&path, text).unwrap();
    }
    let merged = merge(&shares.map(|share| share.output), &sums.path("merged")).unwrap();
    assert_eq!((merged.graded, merged.failed), (16, 0));
    let found = eval::report::results(&sums.path("merged"), Default::default()).unwrap();
    assert_eq!(found.arms[0].graded, 8);
}

#[test]
fn two_answers_to_one_question_are_a_conflict() {
    let sums = Sums::new(4);
    let (one, other) = (Server::start(adds), Server::start(|_| Reply::says("7")));
    let settings = sums.settings(&one.url);
    run(&settings).unwrap();
    let again =
        Settings { output: sums.path("b"), answers: sums.settings(&other.url).answers, ..settings };
    run(&again).unwrap();
    let folders = [sums.path("out"), sums.path("b")];
    let error = merge(&folders, &sums.path("merged")).unwrap_err();
    assert!(matches!(&error, Error::Conflict { .. }), "{error}");
    let said = error.to_string();
    assert!(folders.iter().all(|folder| said.contains(&folder.display().to_string())), "{said}");
    assert!(!sums.path("merged").exists(), "nothing is written");
}

#[test]
fn what_a_grader_measured_on_the_way_is_no_conflict() {
    let (sums, server) = (Sums::new(2), Server::start(adds));
    let settings = sums.settings(&server.url);
    run(&settings).unwrap();
    run(&Settings { output: sums.path("b"), ..settings.clone() }).unwrap();
    let path = sums.path("b").join("samples.jsonl");
    let mut lines = samples(&sums.path("b"));
    for line in &mut lines {
        let Status::Graded { grade, .. } = &mut line.status else { panic!("{line:?}") };
        grade.detail = serde_json::json!({"wall_seconds": 0.25});
    }
    fs_err::write(path, crate::folder::lines(&lines)).unwrap();
    let merged = merge(&[settings.output, sums.path("b")], &sums.path("merged")).unwrap();
    assert_eq!((merged.graded, merged.failed), (8, 0));
}

#[test]
fn an_answer_beats_a_failure_and_twins_are_one() {
    let sums = Sums::new(4);
    let failing = Server::start(|request| match request.question() {
        "1 + 2 =" => Reply::error(400, "no"),
        _ => adds(request),
    });
    let settings = sums.settings(&failing.url);
    assert_eq!(run(&settings).unwrap().failed, 4);
    let server = Server::start(adds);
    let again = Settings {
        output: sums.path("b"),
        answers: sums.settings(&server.url).answers,
        ..settings
    };
    run(&again).unwrap();
    let merged = merge(&[sums.path("out"), sums.path("b")], &sums.path("merged")).unwrap();
    assert_eq!((merged.graded, merged.failed), (16, 0));
    assert_eq!(samples(&sums.path("merged")).len(), 16);
    assert_eq!(results(&sums.path("merged")), results(&sums.path("b")));
}

#[test]
fn parts_of_two_evaluations_are_refused() {
    let (sums, server) = (Sums::new(4), Server::start(adds));
    let mut settings = sums.settings(&server.url);
    run(&settings).unwrap();
    settings.output = sums.path("b");
    settings.sampling.max_tokens = Some(9);
    run(&settings).unwrap();
    let said = merge(&[sums.path("out"), sums.path("b")], &sums.path("m")).unwrap_err().to_string();
    assert!(said.contains("no part of the evaluation in") && said.contains("max_tokens"), "{said}");
    let said = merge(&[sums.path("out")], &sums.path("m")).unwrap_err().to_string();
    assert!(said.contains("two folders or more"), "{said}");
}

#[test]
fn shares_of_two_sizes_are_told_how_to_come_together() {
    let (sums, server) = (Sums::new(4), Server::start(adds));
    let settings = sums.settings(&server.url);
    let [mut one, mut other] = ["1/2", "2/2"].map(|text| share(&settings, &sums, text));
    let folders = [one.output.clone(), other.output.clone()];
    other.sampling.samples = Some(3);
    run(&one).unwrap();
    run(&other).unwrap();
    let merged = |name: &str| merge(&folders, &sums.path(name)).map_err(|error| error.to_string());
    let said = merged("m").unwrap_err();
    assert!(said.contains("it is of another size than") && said.contains("was 2, now 3"), "{said}");
    assert!(said.contains("run the smaller again with as many samples"), "{said}");
    one.sampling.samples = Some(3);
    one.k = vec![1];
    run(&one).unwrap();
    assert!(merged("m").unwrap_err().contains("with the k of the other, which asks nobody"));
    one.k.clear();
    run(&one).unwrap();
    assert_eq!(server.requests().len(), 24, "grown shares ask nothing twice");
    assert_eq!(merged("m").unwrap().graded, 24);
    one.selection.limit = Some(3);
    one.output = sums.path("fewer");
    run(&one).unwrap();
    let said = merge(&[one.output, other.output], &sums.path("n")).unwrap_err().to_string();
    assert!(said.contains("shares are of one list of problems"), "{said}");
}

#[test]
fn lines_that_are_no_samples_are_named() {
    let (sums, server) = (Sums::new(2), Server::start(adds));
    let settings = sums.settings(&server.url);
    run(&settings).unwrap();
    let path = settings.output.join("samples.jsonl");
    let text = fs_err::read_to_string(&path).unwrap();
    let mut sample: Sample = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    sample.key = "short".to_owned();
    sample.status = Status::Failed { reason: "x".to_owned() };
    for bad in ["nonsense".to_owned(), serde_json::to_string(&sample).unwrap()] {
        fs_err::write(&path, format!("{text}{bad}\n")).unwrap();
        let said = run(&settings).unwrap_err().to_string();
        assert!(said.contains("samples.jsonl, line 9: "), "{said}");
        fs_err::create_dir_all(sums.path("copy")).unwrap();
        for name in ["run.json", "problems.jsonl", "samples.jsonl"] {
            fs_err::copy(settings.output.join(name), sums.path("copy").join(name)).unwrap();
        }
        let said = merge(&[settings.output.clone(), sums.path("copy")], &sums.path("m"));
        assert!(said.unwrap_err().to_string().contains("samples.jsonl, line 9: "));
    }
}
