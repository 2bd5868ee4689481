//! What is kept of a judge's work: answers that it failed on, and what it said.

use std::sync::atomic::{AtomicBool, Ordering};

use eval::{Event, Sample, Settings, Status, Stop, evaluate, merge};

use serde_json::json;

use crate::scores::{grades, judged};
use crate::server::{Reply, Server};
use crate::sums::{results, run, samples};

/// The last line of each key: what the next run starts from.
fn ungraded(settings: &Settings) -> Vec<String> {
    let text = |sample: Sample| match sample.status {
        Status::Ungraded { completion, usage, finish, .. } => {
            let tokens = &json!(usage)["completion_tokens"];
            assert_eq!((tokens, finish.as_str()), (&json!(3), "stop"));
            Some(completion)
        }
        Status::Graded { .. } | Status::Failed { .. } => None,
    };
    samples(&settings.output).into_iter().filter_map(text).collect()
}

#[test]
fn an_answer_outlives_its_judges_failure() {
    for trouble in [|| Reply::says("hm"), || Reply::error(400, "too long")] {
        let judge = Server::start(move |_| trouble());
        let (sums, server, settings) = judged("pairwise", &judge);
        assert_eq!(run(&settings).unwrap().failed, 3);
        let mut kept = ungraded(&settings);
        kept.sort();
        assert_eq!(kept, ["splendid one", "splendid three", "splendid two"]);
        assert_eq!(server.requests().len(), 6);
        let found = eval::report::results(&settings.output, Default::default()).unwrap();
        assert_eq!((found.arms[1].graded, found.arms[1].failed), (0, 3), "and is in no rate");

        // Merged, the answers are still there.
        let again = Settings { output: sums.path("again"), ..settings.clone() };
        run(&again).unwrap();
        merge(&[again.output, settings.output.clone()], &sums.path("merged")).unwrap();
        let mend = Server::start(|_| Reply::says("[[C]]"));
        for output in [settings.output.clone(), sums.path("merged")] {
            let mut settings = Settings { output, ..settings.clone() };
            settings.judge.as_mut().unwrap().server.url = mend.url.clone();
            let ended = run(&settings).unwrap();
            assert_eq!((ended.graded, ended.failed), (6, 0));
        }
        assert_eq!(server.requests().len(), 12, "nobody is asked for an answer that is there");
        assert_eq!(mend.requests().len(), 12, "the judge alone is, both ways");
        assert_eq!(results(&settings.output), results(&sums.path("merged")));
    }
}

#[test]
fn answers_outlive_a_judge_that_ends_the_run() {
    let judge = Server::start(|_| Reply::error(401, "who are you"));
    let (_sums, server, mut settings) = judged("pairwise", &judge);
    assert!(run(&settings).unwrap_err().to_string().contains("who are you"));
    let kept = samples(&settings.output).into_iter();
    let kept = kept.filter(|sample| !matches!(sample.status, Status::Failed { .. }));
    assert_eq!(kept.count(), server.requests().len(), "whatever was answered is kept");
    let mend = Server::start(|_| Reply::says("[[C]]"));
    settings.judge.as_mut().unwrap().server.url = mend.url.clone();
    assert_eq!(run(&settings).unwrap().graded, 6);
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn an_answer_outlives_the_end_of_its_run() {
    let stop = Stop::default();
    let stopped = AtomicBool::new(false);
    let of_judge = stop.clone();
    let judge = Server::start(move |_| {
        of_judge.ask();
        Reply::error(503, "not now")
    });
    let (_sums, server, settings) = judged("pairwise", &judge);
    let watch = |event: Event<'_>| {
        let reason = match event {
            Event::Sample { failed, .. } => failed,
            Event::Started { .. } => None,
        };
        stopped.fetch_or(reason.is_some_and(|r| r.contains("the run ended")), Ordering::SeqCst);
    };
    assert!(evaluate(&settings, &watch, &stop).unwrap().interrupted);
    assert!(stopped.load(Ordering::SeqCst));
    assert!(!ungraded(&settings).is_empty());
    let mend = Server::start(|_| Reply::says("[[C]]"));
    let mut settings = settings;
    settings.judge.as_mut().unwrap().server.url = mend.url.clone();
    assert_eq!(run(&settings).unwrap().graded, 6);
    assert_eq!(server.requests().len(), 6, "nothing was asked twice");
}

#[test]
fn what_a_judge_said_is_kept_with_its_cost() {
    let judge = Server::start(|request| {
        let first = request.question().find("splendid") < request.question().find("plain");
        Reply::says(if first { "The first is fuller. [[A]]" } else { "The second. [[B]]" })
    });
    let (_sums, _server, settings) = judged("pairwise", &judge);
    run(&settings).unwrap();
    let detail = &grades(&settings)[&("sft".to_owned(), "1".to_owned())].detail;
    let (one, other) = (&detail["answer first"], &detail["rival first"]);
    assert_eq!((&one["outcome"], &other["outcome"]), (&json!("win"), &json!("win")));
    assert_eq!(one["reply"], "The first is fuller. [[A]]");
    assert_eq!(other["reply"], "The second. [[B]]");
    assert_eq!(
        (&one["usage"]["prompt_tokens"], &one["usage"]["completion_tokens"]),
        (&json!(7), &json!(3))
    );
    eval::report::write(&settings.output, Default::default()).unwrap();
    let page = fs_err::read_to_string(settings.output.join("report.html")).unwrap();
    assert!(page.contains("The first is fuller. [[A]]"), "a reader of the page sees it");
}

#[test]
fn what_a_reward_model_said_is_kept_and_its_cost_counted_once() {
    let judge =
        Server::start(|request| Reply::says(&format!("reward:{}", request.question().len())));
    let (_sums, _server, settings) = judged("reward", &judge);
    run(&settings).unwrap();
    let grades = grades(&settings);
    let detail = |arm: &str| &grades[&(arm.to_owned(), "1".to_owned())].detail;
    let (own, rival) = (&detail("sft")["answer"], &detail("sft")["rival"]);
    assert_eq!((&own["reply"], &own["reward"]), (&json!("reward:12"), &json!(12.0)));
    assert_eq!((&rival["reply"], &rival["reward"]), (&json!("reward:9"), &json!(9.0)));
    assert_eq!((&own["usage"]["prompt_tokens"], &rival["usage"]), (&json!(7), &json!(null)));
    assert_eq!(detail("initial")["answer"]["usage"]["prompt_tokens"], 7);
}
